/** The port's view of a raw message. */
import type { SipPeer, SipRequest, SipResponse, SipUri } from "./port.ts";
import type { RawMessage } from "./raw-message.ts";

class HeaderReader {
  readonly body: string;
  readonly #headers: RawMessage["headers"];

  constructor(raw: RawMessage) {
    this.#headers = raw.headers;
    this.body = raw.body;
  }

  header(name: string): string | undefined {
    const wanted = name.toLowerCase();
    return this.#headers.find(([key]) => key === wanted)?.[1];
  }

  headers(name: string): readonly string[] {
    const wanted = name.toLowerCase();
    return this.#headers.filter(([key]) => key === wanted).map(([, value]) => value);
  }
}

export class ReceivedRequest extends HeaderReader implements SipRequest {
  readonly method: string;
  readonly uri: SipUri;
  readonly peer: SipPeer;
  readonly callId: string;

  constructor(raw: RawMessage, peer: SipPeer) {
    super(raw);
    const [method = "", uri = ""] = raw.startLine.split(" ");
    this.method = method;
    this.uri = readUri(uri);
    this.peer = peer;
    this.callId = this.header("call-id") ?? "";
  }
}

export class ReceivedResponse extends HeaderReader implements SipResponse {
  readonly status: number;
  readonly reason: string;

  constructor(raw: RawMessage) {
    super(raw);
    this.status = Number(raw.startLine.slice(8, 11));
    this.reason = raw.startLine.slice(12);
  }
}

/** An answer that never came over the wire: 408 nobody answered, 503 the transport failed, 487 given up. */
export function localResponse(status: number, reason: string): SipResponse {
  return { status, reason, header: () => undefined, body: "" };
}

/** User and host of a SIP, SIPS or tel URI; whatever cannot be told is empty. Percent escapes of the user are decoded. */
export function readUri(raw: string): SipUri {
  const match = /^([a-z][a-z0-9+.-]*):(?:([^@]*)@)?(.*)$/is.exec(raw);
  if (match === null) return { scheme: "", user: "", host: "", raw };
  const scheme = match[1]!.toLowerCase();
  const rest = match[3]!.split(/[;?]/, 1)[0]!;
  if (scheme === "tel") return { scheme, user: rest, host: "", raw };
  const user = (match[2] ?? "").split(/[:;]/, 1)[0]!;
  const host = /^\[[^\]]*\]/.exec(rest)?.[0].slice(1, -1) ?? rest.split(":", 1)[0]!;
  return { scheme, user: decode(user), host: host.toLowerCase(), raw };
}

function decode(text: string): string {
  if (!text.includes("%")) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
