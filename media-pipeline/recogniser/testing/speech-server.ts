/**
 * A speech server on loopback that speaks the real protocols: OpenAI's transcription endpoint (multipart upload), OpenAI's Realtime transcription
 * socket, and Hugging Face's raw upload. It answers which audio arrived, and misbehaves as it is told.
 */
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo, Socket } from "node:net";
import { parseWav } from "../../testing/wav-file.ts";
import type { ClientSocket } from "../openai-realtime/web-socket.ts";
import { wordsFor } from "./in-memory-recogniser.ts";

type ServerSocket = ClientSocket & { send(data: string): void };
const { WebSocketServer } = createRequire(import.meta.url)("ws") as {
  WebSocketServer: new (options: {
    noServer: true;
    maxPayload: number;
  }) => {
    handleUpgrade(request: IncomingMessage, socket: unknown, head: Buffer, done: (socket: ServerSocket) => void): void;
  };
};

/** What happens to one request, or to one commit on a socket. */
export type Misbehaviour =
  | { readonly kind: "status"; readonly status: number; readonly headers?: Record<string, string>; readonly code?: string }
  | { readonly kind: "hang" }
  | { readonly kind: "garbage" }
  | { readonly kind: "disconnect" }
  /** Sockets only: refuse the handshake. */
  | { readonly kind: "refuse"; readonly status: number; readonly headers?: Record<string, string> };

export type SpeechServer = {
  readonly url: string;
  readonly requests: {
    readonly path: string;
    readonly authorization: string;
    readonly fields: Record<string, string>;
    readonly atMs: number;
  }[];
  /** Queued: each is used once. */
  readonly misbehave: Misbehaviour[];
  /** Every request hangs. */
  hanging: boolean;
  readonly sockets: Set<ServerSocket>;
  /** Session updates received. */
  readonly sessions: {
    readonly type?: string;
    readonly audio?: { input?: { format?: unknown; turn_detection?: unknown; transcription?: { model?: string } } };
  }[];
  close(): Promise<void>;
};

export async function startSpeechServer(): Promise<SpeechServer> {
  const connections = new Set<Socket>();
  const upgrades = new WebSocketServer({ noServer: true, maxPayload: 1 << 20 });
  const state: Omit<SpeechServer, "url" | "close"> = { requests: [], misbehave: [], hanging: false, sockets: new Set(), sessions: [] };

  const http = createServer((request, response) => {
    void answer(request, response, state).catch(() => response.destroy());
  });
  http.on("connection", (socket) => {
    connections.add(socket);
    socket.on("close", () => connections.delete(socket));
  });
  http.on("upgrade", (request, socket, head) => {
    const next = state.misbehave[0];
    if (next?.kind === "refuse") {
      state.misbehave.shift();
      const headers = Object.entries(next.headers ?? {}).map(([name, value]) => `${name}: ${value}\r\n`);
      socket.end(`HTTP/1.1 ${next.status} Refused\r\nContent-Length: 0\r\n${headers.join("")}\r\n`);
      return;
    }
    state.requests.push({
      path: request.url ?? "",
      authorization: request.headers.authorization ?? "",
      fields: {},
      atMs: performance.now(),
    });
    upgrades.handleUpgrade(request, socket, head, (client) => serveSocket(client, state));
  });
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  return Object.assign(state, {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}/v1`,
    async close() {
      for (const socket of state.sockets) socket.terminate();
      for (const connection of connections) connection.destroy();
      await new Promise((resolve) => http.close(resolve));
    },
  });
}

async function answer(request: IncomingMessage, response: ServerResponse, state: Omit<SpeechServer, "url" | "close">): Promise<void> {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece as Buffer);
  const body = Buffer.concat(pieces);
  const type = request.headers["content-type"] ?? "";
  const fields: Record<string, string> = {};
  let wav: Uint8Array = body;
  if (type.startsWith("multipart/form-data")) {
    const form = await new Response(body, { headers: { "content-type": type } }).formData();
    for (const [name, value] of form) if (typeof value === "string") fields[name] = value;
    wav = new Uint8Array(await (form.get("file") as File).arrayBuffer());
  }
  state.requests.push({ path: request.url ?? "", authorization: request.headers.authorization ?? "", fields, atMs: performance.now() });
  const wrong = state.misbehave.shift();
  if (state.hanging || wrong?.kind === "hang") return;
  if (wrong?.kind === "disconnect") {
    response.destroy();
    return;
  }
  const json = (status: number, value: unknown, headers: Record<string, string> = {}) => {
    response.writeHead(status, { "content-type": "application/json", ...headers });
    response.end(typeof value === "string" ? value : JSON.stringify(value));
  };
  if (wrong?.kind === "garbage") return json(200, '{"surprise": [1, 2');
  if (wrong?.kind === "status")
    return json(wrong.status, { error: { message: "refused", type: "error", code: wrong.code ?? null } }, wrong.headers);
  const { pcm, sampleRate, channels } = parseWav(wav);
  if (sampleRate !== 16000 || channels !== 1) return json(400, { error: { message: "expected 16 kHz mono" } });
  const text = wordsFor(pcm);
  if (fields.response_format !== "verbose_json") return json(200, { text: ` ${text}` });
  const seconds = pcm.length / sampleRate;
  const said = text.split(" ");
  const words = said.map((word, i) => ({ word, start: (i * seconds) / said.length, end: ((i + 1) * seconds) / said.length }));
  json(200, { task: "transcribe", language: "english", duration: seconds, text, words, segments: [{ avg_logprob: -0.1 }] });
}

/** The server's side of a transcription session with turn detection off. */
function serveSocket(socket: ServerSocket, state: Omit<SpeechServer, "url" | "close">): void {
  state.sockets.add(socket);
  socket.on("close", () => state.sockets.delete(socket));
  const send = (event: object) => socket.send(JSON.stringify(event));
  let appended: Buffer[] = [];
  let items = 0;
  let ready = false;
  send({ type: "session.created", event_id: "event_1", session: { type: "transcription" } });
  socket.on("message", (data) => {
    const event = JSON.parse(data.toString("utf8")) as { type: string; session?: SpeechServer["sessions"][number]; audio?: string };
    if (event.type === "session.update") {
      state.sessions.push(event.session ?? {});
      ready = event.session?.type === "transcription";
      return send(ready ? { type: "session.updated", session: event.session } : refusal("invalid_value"));
    }
    if (!ready) return send(refusal("session_not_configured"));
    if (event.type === "input_audio_buffer.append") appended.push(Buffer.from(event.audio ?? "", "base64"));
    else if (event.type === "input_audio_buffer.clear") appended = [];
    else if (event.type === "input_audio_buffer.commit") {
      const bytes = Buffer.concat(appended);
      appended = [];
      if (bytes.length < 4800) return send(refusal("input_audio_buffer_commit_empty"));
      const item_id = `item_${++items}`;
      send({ type: "input_audio_buffer.committed", event_id: "e", item_id, previous_item_id: null });
      const wrong = state.misbehave.shift();
      if (state.hanging || wrong?.kind === "hang") return;
      if (wrong?.kind === "disconnect") return socket.terminate();
      if (wrong?.kind === "garbage") return socket.send("][ not json");
      if (wrong?.kind === "status")
        return send({
          type: "conversation.item.input_audio_transcription.failed",
          item_id,
          content_index: 0,
          error: { type: wrong.status === 400 ? "invalid_request_error" : "server_error", code: wrong.code ?? null, message: "refused" },
        });
      const text = wordsFor(new Int16Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length)));
      for (const delta of text.split(/(?= )/))
        send({ type: "conversation.item.input_audio_transcription.delta", item_id, content_index: 0, delta });
      send({ type: "conversation.item.input_audio_transcription.completed", item_id, content_index: 0, transcript: text, usage: {} });
    }
  });
}

const refusal = (code: string) => ({ type: "error", error: { type: "invalid_request_error", code, message: "refused" } });
