/** Turns a raw request into what SIP.js' core works on: a parsed message with a checked top Via and a collision-proof transaction id. */
import { isIP } from "node:net";
import { IncomingRequestMessage, IncomingResponseMessage } from "sip.js/lib/core/index.js";
import { readNameAddr } from "../name-addr.ts";
import type { RawMessage } from "../raw-message.ts";
import { splitList } from "../tokens.ts";

export type TopVia = { readonly sentBy: string; readonly port: number; readonly branch: string; readonly rport: boolean };
export type RequestForCore = { readonly message: IncomingRequestMessage; readonly transactionId: string };

const viaShape = /^SIP\s*\/\s*2\.0\s*\/\s*[A-Za-z]+\s+(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?:\s*:\s*(\d{1,5}))?\s*(;.*)?$/;

export function readTopVia(raw: RawMessage): TopVia | undefined {
  const value = raw.headers.find(([name]) => name === "via")?.[1];
  const match = viaShape.exec(value === undefined ? "" : (splitList(value)[0] ?? ""));
  if (match === null) return undefined;
  const parameters = match[3] ?? "";
  const branch = /;\s*branch\s*=\s*([^;\s]+)/i.exec(parameters)?.[1] ?? "";
  const port = match[2] === undefined ? 0 : Number(match[2]);
  return { sentBy: match[1]!, port, branch, rport: /;\s*rport\s*(;|$)/i.test(parameters) };
}

/** The top Via with `received` and `rport` as RFC 3261 18.2.1 and RFC 3581 4 ask. */
function stampVia(value: string, via: TopVia, address: string, port: number): string {
  let stamped = via.rport ? value.replace(/;\s*rport\s*(?=;|$)/i, `;rport=${port}`) : value;
  const host = via.sentBy.replace(/^\[|\]$/g, "");
  if (via.rport || isIP(host) === 0 || host !== address) stamped += `;received=${address}`;
  return stamped;
}

/**
 * @returns a fault in words where a header that the transaction or dialog needs is missing or malformed
 * RFC 3261 17.2.3 matches on branch, sent-by and method; SIP.js only on the branch, so the whole key takes the branch's place.
 */
export function requestForCore(raw: RawMessage, via: TopVia, address: string, port: number): RequestForCore | { fault: string } {
  const message = new IncomingRequestMessage();
  [message.method = ""] = raw.startLine.split(" ", 1);
  const fault = readHeaders(message, raw);
  if (fault !== undefined) return { fault };
  const [top] = message.headers.Via!;
  top!.raw = stampVia(top!.raw, via, address, port);
  const source = `${via.sentBy}:${via.port}|${address}:${port}`;
  const transactionId = via.branch.startsWith("z9hG4bK")
    ? `${via.branch}|${source}`
    : `2543|${source}|${message.callId}|${message.cseq}|${message.fromTag}|${message.method === "ACK" ? "INVITE" : message.method}`;
  message.viaBranch = transactionId;
  return { message, transactionId };
}

export function responseForCore(raw: RawMessage): IncomingResponseMessage | undefined {
  const via = readTopVia(raw);
  const message = new IncomingResponseMessage();
  if (via === undefined || readHeaders(message, raw) !== undefined) return undefined;
  message.viaBranch = via.branch;
  message.statusCode = Number(raw.startLine.slice(8, 11));
  message.reasonPhrase = raw.startLine.slice(12);
  if (message.statusCode < 100 || message.statusCode > 699) return undefined;
  return message;
}

const cseqShape = /^(\d{1,10})\s+([A-Za-z0-9\-.!%*_+`'~]{1,32})$/;

const kept = new Set(["via", "record-route", "contact", "from", "to", "call-id", "cseq"]);

/** A copy: a transaction that lives 32 seconds shall not hold the whole message whose slice a header is. */
const detached = (text: string): string => Buffer.from(text).toString();

/** Sets what SIP.js' own parser would set; a method that CSeq names otherwise is a fault (RFC 3261 8.1.1.5). */
function readHeaders(message: IncomingRequestMessage | IncomingResponseMessage, raw: RawMessage): string | undefined {
  const via: { raw: string }[] = [];
  const routes: { raw: string }[] = [];
  let contact: string | undefined;
  for (const [name, received] of raw.headers) {
    if (!kept.has(name)) continue;
    const value = detached(received);
    switch (name) {
      case "via":
        for (const one of splitList(value)) via.push({ raw: one });
        break;
      case "record-route":
        for (const one of splitList(value)) routes.push({ raw: one });
        break;
      case "contact":
        contact ??= splitList(value)[0];
        break;
      case "from":
      case "to": {
        if (message[name] !== undefined) return `two ${name} headers`;
        const parsed = readNameAddr(value);
        if (parsed === undefined) return `malformed ${name}`;
        message[name] = parsed;
        const tag = parsed.getParam("tag") as string;
        if (name === "from") message.fromTag = tag;
        else message.toTag = tag;
        message.headers[name === "from" ? "From" : "To"] = [{ raw: value, parsed }];
        break;
      }
      case "call-id":
        if (!/^\S{1,256}$/.test(value)) return "malformed Call-ID";
        message.callId = value;
        message.headers["Call-ID"] = [{ raw: value }];
        break;
      case "cseq": {
        const match = cseqShape.exec(value);
        if (match === null || Number(match[1]) >= 2 ** 31) return "malformed CSeq";
        if (message instanceof IncomingRequestMessage && match[2] !== message.method) return "CSeq does not name the method";
        message.method = match[2]!;
        message.cseq = Number(match[1]);
        message.headers.CSeq = [{ raw: value }];
        break;
      }
    }
  }
  for (const field of ["from", "to", "callId", "cseq"] as const) if (message[field] === undefined) return `missing ${field}`;
  message.headers.Via = via;
  if (routes.length > 0) message.headers["Record-Route"] = routes;
  message.body = "";
  if (contact === undefined) return undefined;
  const parsed = readNameAddr(contact);
  if (parsed === undefined) return "malformed Contact";
  message.headers.Contact = [{ raw: contact, parsed }];
  return undefined;
}
