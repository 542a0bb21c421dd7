/** One Realtime transcription socket: utterances one after another, told apart by the item the server makes of each commit. */
import type { Clock } from "@earshot/platform/clock/clock.ts";
import { EarshotError } from "@earshot/proto/errors.ts";
import { httpFailure, unreadableAnswer } from "../http-failure.ts";
import { primaryTag } from "../language.ts";
import { readServerEvent, serverFault } from "./server-events.ts";
import { type ClientSocket, openSocket } from "./web-socket.ts";

/** An event is a few kB; what is larger comes from no such server. */
const maxPayload = 1024 * 1024;
const handshakeMs = 10_000;
const openState = 1;

export type SocketUser = {
  text(delta: string): void;
  final(transcript: string): void;
  failed(error: EarshotError): void;
};

export type SocketConfig = {
  readonly engine: string;
  readonly url: URL;
  readonly key: string;
  readonly model: string;
  readonly language: string;
  readonly vocabulary: readonly string[];
  /** Bytes that may wait for the network. */
  readonly backlogBytes: number;
};

export class LegSocket {
  /** Fed and not yet committed. */
  #speaking: SocketUser | undefined;
  /** Committed, in order, the server's item not yet known. */
  readonly #committed: SocketUser[] = [];
  readonly #items = new Map<string, SocketUser>();
  readonly #config: SocketConfig;
  readonly #clock: Clock;
  readonly #onClosed: () => void;
  readonly #socket: ClientSocket;
  /** Sent once the socket is open. */
  #early: string[] = [];
  #closed = false;
  idleSinceMs: number;

  /** @param onClosed called once, however it closes; its users have been failed */
  constructor(config: SocketConfig, clock: Clock, onClosed: () => void) {
    this.#config = config;
    this.#clock = clock;
    this.#onClosed = onClosed;
    this.idleSinceMs = clock.monotonicMs();
    this.#socket = openSocket(config.url, {
      headers: { Authorization: `Bearer ${config.key}` },
      handshakeTimeout: handshakeMs,
      maxPayload,
      perMessageDeflate: false,
    });
    this.#send(sessionUpdate(config));
    this.#socket.on("open", () => {
      for (const text of this.#early) this.#socket.send(text);
      this.#early = [];
    });
    this.#socket.on("message", (data) => this.#receive(data.toString("utf8")));
    this.#socket.on("unexpected-response", (_request, response) => {
      response.resume();
      this.fail(
        httpFailure(config.engine, { status: response.statusCode ?? 500, retryAfter: response.headers["retry-after"] }, clock.now()),
      );
    });
    this.#socket.on("error", (error) => this.fail(httpFailure(config.engine, { cause: error }, clock.now())));
    this.#socket.on("close", () => this.fail(lost(config.engine)));
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** May an utterance begin here? Not while another one's audio is still going in. */
  get free(): boolean {
    return !this.#closed && this.#speaking === undefined;
  }

  get idle(): boolean {
    return this.free && this.#committed.length === 0 && this.#items.size === 0;
  }

  begin(user: SocketUser): void {
    this.#speaking = user;
  }

  /** @returns false where more waits for the network than may */
  append(pcm: Int16Array): boolean {
    if (this.#socket.bufferedAmount > this.#config.backlogBytes) return false;
    const audio = Buffer.from(pcm.buffer, pcm.byteOffset, pcm.byteLength).toString("base64");
    this.#send({ type: "input_audio_buffer.append", audio });
    return true;
  }

  commit(): void {
    if (this.#speaking === undefined) return;
    this.#committed.push(this.#speaking);
    this.#speaking = undefined;
    this.#send({ type: "input_audio_buffer.commit" });
  }

  /** Forgets the user; the server's answer, if one comes, goes nowhere. */
  release(user: SocketUser): void {
    if (this.#speaking === user) {
      this.#speaking = undefined;
      this.#send({ type: "input_audio_buffer.clear" });
    }
    const nobody: SocketUser = { text() {}, final() {}, failed() {} };
    const place = this.#committed.indexOf(user);
    if (place >= 0) this.#committed[place] = nobody;
    for (const [item, holder] of this.#items) if (holder === user) this.#items.delete(item);
    this.idleSinceMs = this.#clock.monotonicMs();
  }

  close(): void {
    this.fail(lost(this.#config.engine));
  }

  fail(error: EarshotError): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#early = [];
    this.#socket.terminate();
    const users = new Set([...(this.#speaking === undefined ? [] : [this.#speaking]), ...this.#committed, ...this.#items.values()]);
    this.#speaking = undefined;
    this.#committed.length = 0;
    this.#items.clear();
    this.#onClosed();
    for (const user of users) user.failed(error);
  }

  #send(event: object): void {
    if (this.#closed) return;
    const text = JSON.stringify(event);
    if (this.#socket.readyState === openState) this.#socket.send(text);
    else this.#early.push(text);
  }

  #receive(data: string): void {
    if (this.#closed) return;
    const event = readServerEvent(data);
    if (event === undefined) return;
    if (event === "unreadable") {
      this.fail(unreadableAnswer(this.#config.engine));
      return;
    }
    if (event.type === "error") {
      this.fail(serverFault(this.#config.engine, event.error));
      return;
    }
    if (event.type === "input_audio_buffer.committed") {
      const user = this.#committed.shift();
      if (user !== undefined) this.#items.set(event.item_id, user);
      return;
    }
    // A streaming model sends words before the commit, for the item that the commit will name.
    if (event.type === "conversation.item.input_audio_transcription.delta") {
      (this.#items.get(event.item_id) ?? this.#speaking)?.text(event.delta);
      return;
    }
    const user = this.#items.get(event.item_id);
    if (user === undefined) return;
    this.#items.delete(event.item_id);
    this.idleSinceMs = this.#clock.monotonicMs();
    if (event.type === "conversation.item.input_audio_transcription.completed") user.final(event.transcript);
    else user.failed(serverFault(this.#config.engine, event.error));
  }
}

const lost = (engine: string) =>
  new EarshotError("unavailable", "recogniser_connection_lost", "The connection to the speech engine was lost.", { details: { engine } });

/** A transcription session whose turns we decide ourselves: PCM, 24 kHz, 16-bit, little-endian. */
function sessionUpdate({ model, language, vocabulary }: SocketConfig): object {
  return {
    type: "session.update",
    session: {
      type: "transcription",
      audio: {
        input: {
          format: { type: "audio/pcm", rate: 24000 },
          transcription: {
            model,
            ...(language === "" ? {} : { language: primaryTag(language) }),
            ...(vocabulary.length === 0 ? {} : { prompt: vocabulary.join(", ") }),
          },
          turn_detection: null,
        },
      },
    },
  };
}
