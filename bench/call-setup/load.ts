/** Sends SIP at a fixed pace over one UDP socket and takes the time to each final answer. */
import { createSocket, type Socket } from "node:dgram";

export type Latencies = {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  readonly answered: number;
  readonly sent: number;
  readonly failed: number;
};

type Up = { readonly callId: string; readonly toTag: string; readonly target: string };

const metadata = `<recording xmlns='urn:ietf:params:xml:ns:recording:1'><datamode>complete</datamode>
<participant participant_id="A"><nameID aor="sip:2001@pbx.example"><name>Ann</name></nameID></participant>
<participant participant_id="C"><nameID aor="sip:+15550100@pbx.example"><name>Carl</name></nameID></participant>
<stream stream_id="X1"><label>1</label></stream><stream stream_id="X2"><label>2</label></stream>
<participantstreamassoc participant_id="A"><send>X1</send></participantstreamassoc>
<participantstreamassoc participant_id="C"><send>X2</send></participantstreamassoc></recording>`;
const stream = (label: number, port: number) =>
  `m=audio ${port} RTP/AVP 8 0 101\r\na=rtpmap:101 telephone-event/8000\r\na=label:${label}\r\na=sendonly\r\n`;
const sdp = `v=0\r\no=src 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n${stream(1, 40_000)}${stream(2, 40_002)}`;
const body = `--b\r\nContent-Type: application/sdp\r\n\r\n${sdp}\r\n--b\r\nContent-Type: application/rs-metadata+xml\r\nContent-Disposition: recording-session\r\n\r\n${metadata}\r\n--b--\r\n`;

export class SipLoad {
  readonly #socket: Socket = createSocket("udp4");
  readonly #port: number;
  readonly #sentAt = new Map<string, number>();
  readonly #up: Up[] = [];
  #own = 0;
  #count = 0;
  #latencies: number[] = [];
  #failed = 0;

  constructor(port: number) {
    this.#port = port;
  }

  async open(): Promise<void> {
    await new Promise<void>((resolve) => this.#socket.bind(0, "127.0.0.1", resolve));
    this.#socket.setRecvBufferSize(4 * 1024 * 1024);
    this.#own = this.#socket.address().port;
    this.#socket.on("message", (bytes) => this.#onMessage(bytes.toString("latin1")));
  }

  close(): void {
    this.#socket.close();
  }

  get up(): number {
    return this.#up.length;
  }

  /** `perSecond` INVITEs (with a BYE for each call over `keepUp`) or OPTIONS, for `seconds`. */
  async run(kind: "INVITE" | "OPTIONS", perSecond: number, seconds: number, keepUp: number): Promise<Latencies> {
    this.#latencies = [];
    this.#failed = 0;
    const total = perSecond * seconds;
    const began = performance.now();
    for (let sent = 0; sent < total; ) {
      const due = Math.min(total, Math.floor(((performance.now() - began) / 1000) * perSecond) + 1);
      for (; sent < due; sent++) {
        this.#start(kind);
        if (this.#up.length > keepUp) this.#bye(this.#up.shift()!);
      }
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    await new Promise((resolve) => setTimeout(resolve, 500));
    const sorted = this.#latencies.toSorted((a, b) => a - b);
    const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
    return { p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(1), answered: sorted.length, sent: total, failed: this.#failed };
  }

  async endAll(): Promise<void> {
    while (this.#up.length > 0) {
      for (const up of this.#up.splice(0, 20)) this.#bye(up);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    await new Promise((resolve) => setTimeout(resolve, 300));
  }

  #start(kind: "INVITE" | "OPTIONS"): void {
    const callId = `load-${process.pid}-${this.#count++}`;
    const extra =
      kind === "OPTIONS" ? "" : `Require: siprec\r\nAllow: INVITE, ACK, BYE, UPDATE\r\nContent-Type: multipart/mixed;boundary=b\r\n`;
    const content = kind === "OPTIONS" ? "" : body;
    const text = `${this.#head(kind, "sip:record@127.0.0.1", callId, "", 1)}${extra}Content-Length: ${Buffer.byteLength(content)}\r\n\r\n${content}`;
    this.#sentAt.set(callId, performance.now());
    this.#socket.send(text, this.#port, "127.0.0.1");
  }

  #bye(up: Up): void {
    this.#socket.send(`${this.#head("BYE", up.target, up.callId, up.toTag, 2)}Content-Length: 0\r\n\r\n`, this.#port, "127.0.0.1");
  }

  #head(method: string, uri: string, callId: string, toTag: string, cseq: number): string {
    return `${method} ${uri} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:${this.#own};branch=z9hG4bK${callId}-${method};rport\r\nMax-Forwards: 70\r\nFrom: <sip:load@127.0.0.1>;tag=f\r\nTo: <sip:record@127.0.0.1>${toTag}\r\nCall-ID: ${callId}\r\nCSeq: ${cseq} ${method}\r\nContact: <sip:src@127.0.0.1:${this.#own}>;+sip.src\r\n`;
  }

  #onMessage(text: string): void {
    const status = Number(text.slice(8, 11));
    const callId = /\r\nCall-ID: (\S+)/i.exec(text)?.[1] ?? "";
    const sentAt = this.#sentAt.get(callId);
    const method = /\r\nCSeq: \d+ (\w+)/i.exec(text)?.[1];
    if (!(status >= 200) || sentAt === undefined || method === "BYE") return;
    this.#sentAt.delete(callId);
    this.#latencies.push(performance.now() - sentAt);
    if (status >= 300) this.#failed++;
    else if (method === "INVITE") {
      const toTag = /\r\nTo: [^\r]*(;tag=[^\r;]+)/i.exec(text)?.[1] ?? "";
      const target = /\r\nContact: <([^>]+)>/i.exec(text)?.[1] ?? "";
      this.#socket.send(`${this.#head("ACK", target, callId, toTag, 1)}Content-Length: 0\r\n\r\n`, this.#port, "127.0.0.1");
      this.#up.push({ callId, toTag, target });
    }
  }
}
