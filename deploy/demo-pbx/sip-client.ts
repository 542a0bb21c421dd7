/**
 * The SIP half of a recording client over UDP: one dialog that it opened (RFC 3261 UAC), with the retransmissions of 17.1 and answers
 * to what the recorder sends inside the dialog.
 */
import { randomBytes } from "node:crypto";
import type { Socket } from "node:dgram";
import { EarshotError } from "@earshot/proto/errors.ts";

const t1Ms = 500;
const t2Ms = 4_000;
const timerBMs = 64 * t1Ms;

export type SipMessage = { firstLine: string; status: number; method: string; headers: Map<string, string>; body: string };
export type Peer = { address: string; port: number };

/** Splits a message into first line, headers (lower-case names, the first value of each) and body; undefined for what is not SIP. */
export function parseSip(text: string): SipMessage | undefined {
  const split = text.indexOf("\r\n\r\n");
  const [firstLine = "", ...lines] = (split < 0 ? text : text.slice(0, split)).split("\r\n");
  const response = /^SIP\/2\.0 (\d{3})/.exec(firstLine);
  const request = /^([A-Z]+) \S+ SIP\/2\.0$/.exec(firstLine);
  if (response === null && request === null) return undefined;
  const headers = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(":");
    const name = line.slice(0, colon).trim().toLowerCase();
    const full =
      ({ v: "via", f: "from", t: "to", i: "call-id", m: "contact", c: "content-type", l: "content-length" } as Record<string, string>)[
        name
      ] ?? name;
    if (colon > 0 && !headers.has(full)) headers.set(full, line.slice(colon + 1).trim());
  }
  return {
    firstLine,
    status: Number(response?.[1] ?? 0),
    method: request?.[1] ?? "",
    headers,
    body: split < 0 ? "" : text.slice(split + 4),
  };
}

type Body = { type: string; content: string };

/** One SIPREC dialog seen from the client. The socket is the caller's; feed what it receives to `receive`. */
export class RecordingDialog {
  readonly callId = randomBytes(12).toString("hex");
  readonly #socket: Socket;
  readonly #local: Peer;
  readonly #peer: Peer;
  readonly #from: string;
  readonly #fromTag = randomBytes(6).toString("hex");
  readonly #requestUri: string;
  #toHeader: string;
  #target: string;
  #sequence = 1;
  #pending: { method: string; sequence: number; branch: string; answered: (message: SipMessage) => void } | undefined;
  #ack = "";
  /** The recorder ended the session (BYE), or the dialog is over for another reason. */
  onEnded: (reason: string) => void = () => {};

  /** @param from user part of From: like many SBCs, whoever placed the recorded call */
  constructor(socket: Socket, local: Peer, peer: Peer, from: string, user = "recorder") {
    this.#socket = socket;
    this.#local = local;
    this.#peer = peer;
    this.#from = from;
    this.#requestUri = `sip:${user}@${peer.address}:${peer.port}`;
    this.#target = this.#requestUri;
    this.#toHeader = `<${this.#requestUri}>`;
  }

  /**
   * Sends the INVITE and waits for the final response.
   * @returns the 200's body (the recorder's SDP)
   * @throws EarshotError unavailable / forbidden / timeout with the status and reason the recorder gave
   */
  async invite(body: Body): Promise<string> {
    const response = await this.#request("INVITE", body, [
      `Contact: <sip:src@${this.#local.address}:${this.#local.port}>;+sip.src`,
      "Require: siprec",
      "Accept: application/sdp, application/rs-metadata-request",
      "Allow: INVITE, ACK, BYE, CANCEL, UPDATE, OPTIONS",
      "Supported: timer",
      "User-Agent: Earshot demo PBX",
    ]);
    this.#toHeader = response.headers.get("to") ?? this.#toHeader;
    const contact = /<([^>]+)>/.exec(response.headers.get("contact") ?? "");
    if (response.status < 300 && contact !== null) this.#target = contact[1]!;
    this.#ack = this.#message("ACK", this.#sequence, `z9hG4bK${randomBytes(8).toString("hex")}`, [], undefined);
    this.#send(this.#ack);
    if (response.status >= 300) {
      throw new EarshotError(
        response.status === 403 ? "forbidden" : "unavailable",
        "demo_call_refused",
        `The recorder answered ${response.firstLine.slice(8)}.`,
        {
          remedy:
            response.status === 403
              ? "Add this machine's address to a trunk (Settings, Trunks)."
              : response.status === 503
                ? "Fewer calls at once, or a higher limit on the trunk."
                : "See the gateway's log for the reason.",
        },
      );
    }
    return response.body;
  }

  /** A change inside the dialog (re-INVITE or UPDATE). @returns the final response */
  async change(method: "INVITE" | "UPDATE", body: Body): Promise<SipMessage> {
    this.#sequence++;
    const response = await this.#request(method, body, [`Contact: <sip:src@${this.#local.address}:${this.#local.port}>;+sip.src`]);
    if (method === "INVITE") {
      this.#ack = this.#message("ACK", this.#sequence, `z9hG4bK${randomBytes(8).toString("hex")}`, [], undefined);
      this.#send(this.#ack);
    }
    return response;
  }

  /** Ends the session; resolves when the recorder has answered, or has not within the transaction's time. */
  async bye(): Promise<void> {
    this.#sequence++;
    await this.#request("BYE", undefined, []).catch(() => undefined);
  }

  /** Takes a datagram of this dialog (same Call-ID). */
  receive(message: SipMessage): void {
    if (message.method !== "") {
      this.#answer(message);
      return;
    }
    const [sequence = "", method = ""] = (message.headers.get("cseq") ?? "").split(/\s+/);
    const pending = this.#pending;
    if (pending === undefined || pending.method !== method || pending.sequence !== Number(sequence)) {
      // A 200 that comes again has missed its ACK (RFC 3261 13.2.2.4).
      if (method === "INVITE" && message.status >= 200 && this.#ack !== "") this.#send(this.#ack);
      return;
    }
    pending.answered(message);
  }

  #request(method: string, body: Body | undefined, headers: string[]): Promise<SipMessage> {
    const branch = `z9hG4bK${randomBytes(8).toString("hex")}`;
    const text = this.#message(method, this.#sequence, branch, headers, body);
    return new Promise((resolve, reject) => {
      let interval = t1Ms;
      let provisional = false;
      let timer: NodeJS.Timeout;
      const again = (): void => {
        if (!(provisional && method === "INVITE")) this.#send(text);
        interval = method === "INVITE" ? interval * 2 : Math.min(interval * 2, t2Ms);
        timer = setTimeout(again, interval);
      };
      const give = setTimeout(() => {
        clearTimeout(timer);
        this.#pending = undefined;
        reject(
          new EarshotError("timeout", "demo_call_unanswered", `Nobody answered ${method} at ${this.#peer.address}:${this.#peer.port}.`, {
            remedy: "Is Earshot running, and is EARSHOT_SIP_PORT the same here?",
          }),
        );
      }, timerBMs);
      timer = setTimeout(again, interval);
      this.#pending = {
        method,
        sequence: this.#sequence,
        branch,
        answered: (message) => {
          if (message.status < 200) {
            provisional = true;
            return;
          }
          clearTimeout(timer);
          clearTimeout(give);
          this.#pending = undefined;
          resolve(message);
        },
      };
      this.#send(text);
    });
  }

  #answer(request: SipMessage): void {
    const known = request.method === "BYE" || request.method === "OPTIONS" || request.method === "UPDATE";
    if (request.method === "ACK") return;
    const lines = [
      known ? "SIP/2.0 200 OK" : request.method === "INVITE" ? "SIP/2.0 488 Not Acceptable Here" : "SIP/2.0 405 Method Not Allowed",
      ...["via", "from", "to", "call-id", "cseq"].map(
        (name) =>
          `${name === "cseq" ? "CSeq" : name === "call-id" ? "Call-ID" : name[0]!.toUpperCase() + name.slice(1)}: ${request.headers.get(name) ?? ""}`,
      ),
      "Allow: INVITE, ACK, BYE, CANCEL, UPDATE, OPTIONS",
      "Content-Length: 0",
    ];
    this.#send(`${lines.join("\r\n")}\r\n\r\n`);
    if (request.method === "BYE") this.onEnded(request.headers.get("reason") ?? "the recorder ended the session");
  }

  #message(method: string, sequence: number, branch: string, headers: string[], body: Body | undefined): string {
    const content = body?.content ?? "";
    return [
      `${method} ${method === "INVITE" && sequence === 1 ? this.#requestUri : this.#target} SIP/2.0`,
      `Via: SIP/2.0/UDP ${this.#local.address}:${this.#local.port};branch=${branch};rport`,
      "Max-Forwards: 70",
      `From: <sip:${this.#from}@${this.#local.address}:${this.#local.port}>;tag=${this.#fromTag}`,
      `To: ${this.#toHeader}`,
      `Call-ID: ${this.callId}`,
      `CSeq: ${sequence} ${method}`,
      ...headers,
      ...(body === undefined ? [] : [`Content-Type: ${body.type}`]),
      `Content-Length: ${Buffer.byteLength(content)}`,
      "",
      content,
    ].join("\r\n");
  }

  #send(text: string): void {
    this.#socket.send(text, this.#peer.port, this.#peer.address);
  }
}
