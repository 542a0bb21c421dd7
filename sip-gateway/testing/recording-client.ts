/** A scripted recording client (SRC): one dialog, every message as text that a test can bend. */
import { randomUUID } from "node:crypto";
import { headerOf, type Received, SipClient, type SipTarget } from "./sip-client.ts";

export type InviteOptions = {
  sdp?: string | undefined;
  metadata?: string | undefined;
  /** Whole body and its type, instead of sdp and metadata. */
  body?: { contentType: string; content: string };
  headers?: string[];
  requestUri?: string;
  contact?: string;
  from?: string;
};

export const pcmu = (label: number | string, port = 40_000, direction = "sendonly"): string =>
  [`m=audio ${port} RTP/AVP 0`, "a=rtpmap:0 PCMU/8000", `a=label:${label}`, `a=${direction}`, ""].join("\r\n");

export const sdp = (...media: string[]): string =>
  ["v=0", "o=src 1 1 IN IP4 127.0.0.1", "s=-", "c=IN IP4 127.0.0.1", "t=0 0", ""].join("\r\n") + media.join("");

export const twoStreams = (): string => sdp(pcmu(1, 40_000), pcmu(2, 40_002));

/** Agent 2001 on label 1, caller +15550100 on label 2. */
export const metadata = (mode = "complete", extra = ""): string => `<?xml version="1.0" encoding="UTF-8"?>
<recording xmlns='urn:ietf:params:xml:ns:recording:1'>
  <datamode>${mode}</datamode>
  <session session_id="S1"><sipSessionID>ab30317f1a784dc48ff824d0d3715d86;remote=00000000000000000000000000000000</sipSessionID></session>
  <participant participant_id="A"><nameID aor="sip:2001@pbx.example.com"><name xml:lang="en">Ann</name></nameID></participant>
  <participant participant_id="C"><nameID aor="sip:+15550100@pbx.example.com"><name>Carl</name></nameID></participant>
  <stream stream_id="X1" session_id="S1"><label>1</label></stream>
  <stream stream_id="X2" session_id="S1"><label>2</label></stream>
  <participantstreamassoc participant_id="A"><send>X1</send><recv>X2</recv></participantstreamassoc>
  <participantstreamassoc participant_id="C"><send>X2</send><recv>X1</recv></participantstreamassoc>
  ${extra}
</recording>
`;

export function multipart(
  parts: readonly { type: string; content: string; disposition?: string }[],
  boundary = "b0undary",
): { contentType: string; content: string } {
  const text = parts.map(
    (part) =>
      `--${boundary}\r\nContent-Type: ${part.type}\r\n${part.disposition ? `Content-Disposition: ${part.disposition}\r\n` : ""}\r\n${part.content}\r\n`,
  );
  return { contentType: `multipart/mixed;boundary=${boundary}`, content: `${text.join("")}--${boundary}--\r\n` };
}

export class RecordingClient {
  readonly wire: SipClient;
  readonly callId = randomUUID();
  readonly fromTag = randomUUID().slice(0, 8);
  from = "<sip:pbx@127.0.0.1>";
  toTag = "";
  cseq = 0;
  remoteTarget = "sip:record@127.0.0.1";
  lastInvite = "";
  contact = "";

  constructor(wire: SipClient) {
    this.wire = wire;
  }

  static async connect(target: SipTarget, tls = {}): Promise<RecordingClient> {
    return new RecordingClient(await SipClient.connect(target, tls));
  }

  close(): void {
    this.wire.close();
  }

  get #ownContact(): string {
    const { localPort, transport } = this.wire;
    return `<sip:src@127.0.0.1:${localPort}${transport === "udp" ? "" : `;transport=${transport}`}>;+sip.src`;
  }

  /** The text of a request in this dialog (or the one that starts it). */
  message(
    method: string,
    options: {
      uri?: string;
      headers?: string[];
      body?: { contentType: string; content: string } | undefined;
      cseq?: number;
      branch?: string;
      contact?: string;
    } = {},
  ): string {
    const cseq = options.cseq ?? (method === "ACK" || method === "CANCEL" ? this.cseq : ++this.cseq);
    const via = this.wire.transport.toUpperCase();
    const content = options.body?.content ?? "";
    return [
      `${method} ${options.uri ?? this.remoteTarget} SIP/2.0`,
      `Via: SIP/2.0/${via} 127.0.0.1:${this.wire.localPort};branch=${options.branch ?? `z9hG4bK${randomUUID()}`};rport`,
      `From: ${this.from};tag=${this.fromTag}`,
      `To: <sip:record@127.0.0.1>${this.toTag === "" ? "" : `;tag=${this.toTag}`}`,
      `Call-ID: ${this.callId}`,
      `CSeq: ${cseq} ${method}`,
      "Max-Forwards: 70",
      ...(options.contact === "" ? [] : [`Contact: ${options.contact ?? this.#ownContact}`]),
      ...(options.headers ?? []),
      ...(options.body === undefined ? [] : [`Content-Type: ${options.body.contentType}`]),
      `Content-Length: ${Buffer.byteLength(content)}`,
      "",
      content,
    ].join("\r\n");
  }

  /** Sends an INVITE (or re-INVITE) and waits for the final answer. */
  async invite(options: InviteOptions = {}): Promise<Received> {
    this.sendInvite(options);
    // A slow machine may have repeated an earlier answer.
    const wanted = `${this.cseq} INVITE`;
    const answer = await this.wire.next((one) => one.status >= 200 && headerOf(one, "cseq") === wanted, `final response to ${wanted}`);
    const tag = /;tag=([^;\s]+)/.exec(headerOf(answer, "to"))?.[1];
    if (answer.status < 300) {
      this.toTag = tag ?? "";
      this.remoteTarget = /<([^>]+)>/.exec(headerOf(answer, "contact"))?.[1] ?? this.remoteTarget;
    }
    return answer;
  }

  sendInvite(options: InviteOptions = {}): void {
    const body =
      options.body ??
      (options.sdp === undefined
        ? undefined
        : options.metadata === undefined
          ? { contentType: "application/sdp", content: options.sdp }
          : multipart([
              { type: "application/sdp", content: options.sdp },
              { type: "application/rs-metadata+xml", content: options.metadata, disposition: "recording-session" },
            ]));
    if (options.from !== undefined) this.from = options.from;
    const headers = options.headers ?? ["Require: siprec", "Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE"];
    this.lastInvite = this.message("INVITE", {
      headers,
      body,
      ...(options.requestUri === undefined ? {} : { uri: options.requestUri }),
      ...(options.contact === undefined ? {} : { contact: options.contact }),
    });
    this.wire.send(this.lastInvite);
  }

  ack(answer: Received): void {
    if (answer.status < 300) this.wire.send(this.message("ACK", { contact: "" }));
    else {
      const branch = /branch=([^;\r\n]+)/.exec(this.lastInvite)?.[1];
      const toTag = /;tag=([^;\s]+)/.exec(headerOf(answer, "to"))?.[1] ?? "";
      const before = this.toTag;
      this.toTag = toTag;
      this.wire.send(this.message("ACK", { contact: "", ...(branch === undefined ? {} : { branch }) }));
      this.toTag = before;
    }
  }

  /** INVITE, answer, ACK. */
  async start(options: InviteOptions = { sdp: twoStreams(), metadata: metadata() }): Promise<Received> {
    const answer = await this.invite(options);
    this.ack(answer);
    return answer;
  }

  async bye(headers: string[] = []): Promise<Received> {
    this.wire.send(this.message("BYE", { contact: "", headers }));
    return this.wire.response("BYE");
  }

  async request(method: string, options: Parameters<RecordingClient["message"]>[1] = {}): Promise<Received> {
    this.wire.send(this.message(method, options));
    return this.wire.response(method);
  }

  /** Answers a request of the server. */
  answer(request: Received, status: number, headers: string[] = [], body?: { contentType: string; content: string }): void {
    const content = body?.content ?? "";
    const echoed = ["via", "from", "to", "call-id", "cseq"].flatMap((name) =>
      (request.headers.get(name) ?? []).map((value) => `${name}: ${value}`),
    );
    const type = body === undefined ? [] : [`Content-Type: ${body.contentType}`];
    this.wire.send(
      [
        `SIP/2.0 ${status} X`,
        ...echoed,
        `Contact: ${this.#ownContact}`,
        ...headers,
        ...type,
        `Content-Length: ${Buffer.byteLength(content)}`,
        "",
        content,
      ].join("\r\n"),
    );
  }
}
