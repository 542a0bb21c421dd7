/** Turns a raw request into what SIP.js' core works on: a parsed message with a checked top Via and a collision-proof transaction id. */
import { isIP } from "node:net";
import { IncomingRequestMessage, IncomingResponseMessage, type Logger, Parser } from "sip.js/lib/core/index.js";
import { splitList } from "../tokens.ts";
import type { RawMessage } from "./raw-message.ts";

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

const forCore = new Set(["from", "to", "call-id", "cseq", "record-route"]);
const fixedUri = "sip:srs@earshot.invalid";

/**
 * @returns undefined where SIP.js cannot parse a header it needs; the reason is which one
 * RFC 3261 17.2.3 matches on branch, sent-by and method; SIP.js only on the branch, so the whole key takes the branch's place.
 */
export function requestForCore(
  raw: RawMessage,
  via: TopVia,
  address: string,
  port: number,
  logger: Logger,
): RequestForCore | { fault: string } {
  const [method = ""] = raw.startLine.split(" ", 1);
  const text: string[] = [`${method} ${fixedUri} SIP/2.0`];
  let first = true;
  let contact: string | undefined;
  for (const [name, value] of raw.headers) {
    if (name === "via") {
      for (const one of splitList(value)) {
        text.push(`Via: ${first ? stampVia(one, via, address, port) : one}`);
        first = false;
      }
    } else if (name === "contact") contact ??= contactUri(value);
    else if (forCore.has(name)) text.push(`${name}: ${value}`);
  }
  if (contact !== undefined) text.push(`Contact: <${contact}>`);
  const message = parse(`${text.join("\r\n")}\r\n\r\n`, logger);
  if (!(message instanceof IncomingRequestMessage)) return { fault: "malformed Via, From, To, Contact, CSeq or Record-Route" };
  const missing = (["from", "to", "callId", "cseq"] as const).find((field) => message[field] === undefined);
  if (missing !== undefined) return { fault: `missing ${missing === "callId" ? "Call-ID" : missing}` };
  const source = `${via.sentBy}:${via.port}|${address}:${port}`;
  const transactionId = via.branch.startsWith("z9hG4bK")
    ? `${via.branch}|${source}`
    : `2543|${source}|${message.callId}|${message.cseq}|${message.fromTag}|${message.method === "ACK" ? "INVITE" : message.method}`;
  message.viaBranch = transactionId;
  return { message, transactionId };
}

export function responseForCore(raw: RawMessage, logger: Logger): IncomingResponseMessage | undefined {
  const text = [raw.startLine];
  for (const [name, value] of raw.headers) {
    if (name === "via" || forCore.has(name)) text.push(`${name}: ${value}`);
    else if (name === "contact") text.push(`Contact: <${contactUri(value)}>`);
  }
  const message = parse(`${text.join("\r\n")}\r\n\r\n`, logger);
  return message instanceof IncomingResponseMessage ? message : undefined;
}

/** SIP.js' grammar is a generated parser that may throw on hostile input, e.g. when it nests too deep. */
function parse(text: string, logger: Logger) {
  try {
    return Parser.parseMessage(text, logger);
  } catch {
    return undefined;
  }
}

/** The URI of the first Contact, without the header's parameters: those are ours to read, and vendors' are exotic. */
function contactUri(value: string): string {
  const firstContact = splitList(value)[0] ?? "";
  const inAngles = /<([^<>]*)>/.exec(firstContact)?.[1];
  return (inAngles ?? firstContact.split(";", 1)[0]!).trim();
}
