/** First reading of bytes from the network: start line, unfolded header lines and body, within limits (RFC 3261 7). */

export type RawMessage = {
  readonly startLine: string;
  /** Full names in lower case (compact forms resolved), values unfolded and trimmed. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: string;
};
/** `headers` is what could be read, so that the fault can still be answered. */
export type RawFault = {
  readonly fault: string;
  readonly status: number;
  readonly startLine: string;
  readonly headers: RawMessage["headers"];
};

/** RFC 3261 7.3.3 and the extensions' registrations. */
const compactForms: Readonly<Record<string, string>> = {
  v: "via",
  f: "from",
  t: "to",
  i: "call-id",
  m: "contact",
  l: "content-length",
  c: "content-type",
  e: "content-encoding",
  s: "subject",
  k: "supported",
  x: "session-expires",
  o: "event",
  r: "refer-to",
  a: "accept-contact",
  u: "allow-events",
};

const maxHeaderValueChars = 16_384;
// biome-ignore lint/suspicious/noControlCharactersInRegex: it looks for them
const controlCharacter = /[\0-\x08\x0b-\x1f\x7f]/;
const utf8 = new TextDecoder("utf-8");

/** Index of the empty line's end (start of the body) and length of the head; undefined while no empty line is there. */
export function findBody(bytes: Uint8Array, from: number): { headEnd: number; bodyStart: number } | undefined {
  for (let at = bytes.indexOf(10, from); at !== -1; at = bytes.indexOf(10, at + 1)) {
    if (bytes[at + 1] === 10) return { headEnd: at, bodyStart: at + 2 };
    if (bytes[at + 1] === 13 && bytes[at + 2] === 10) return { headEnd: at, bodyStart: at + 3 };
  }
  return undefined;
}

/**
 * @param bytes one whole message: a datagram, or what the stream framer cut
 * @returns a fault with status 0 where it is not even a SIP start line (then nothing can be answered)
 */
export function readRawMessage(bytes: Uint8Array, limits: { maxHeaders: number }): RawMessage | RawFault {
  let start = 0;
  while (start < bytes.length && (bytes[start] === 13 || bytes[start] === 10)) start++;
  const split = findBody(bytes, start);
  const headText = utf8.decode(bytes.subarray(start, split?.headEnd ?? bytes.length));
  const lines = headText.split(/\r?\n/);
  const startLine = lines[0] ?? "";
  if (!/^SIP\/2\.0 \d{3}( |$)|^[A-Za-z0-9\-.!%*_+`'~]{1,32} \S+ SIP\/\d\.\d$/.test(startLine))
    return { fault: "no SIP start line", status: 0, startLine: "", headers: [] };
  const headers: [string, string][] = [];
  let fault: string | undefined;
  for (let i = 1; i < lines.length; i++) {
    const line = lines[i]!;
    const last = headers.at(-1);
    if (line.startsWith(" ") || line.startsWith("\t")) {
      if (last === undefined) fault ??= "folded line without a header";
      else if (controlCharacter.test(line)) fault ??= "control character in a header";
      else if (last[1].length + line.length > maxHeaderValueChars) fault ??= "header value too long";
      else last[1] = `${last[1]} ${line.trim()}`;
      continue;
    }
    if (headers.length >= limits.maxHeaders) {
      fault ??= "too many headers";
      break;
    }
    const colon = line.indexOf(":");
    if (colon <= 0) {
      fault ??= "header line without colon";
      continue;
    }
    const name = line.slice(0, colon).trim().toLowerCase();
    if (!/^[a-z0-9\-.!%*_+`'~]{1,64}$/.test(name)) {
      fault ??= "malformed header name";
      continue;
    }
    const value = line.slice(colon + 1).trim();
    // Left out, not only refused: what is kept is repeated in the answer.
    if (controlCharacter.test(value)) fault ??= "control character in a header";
    else if (value.length > maxHeaderValueChars) fault ??= "header value too long";
    else headers.push([compactForms[name] ?? name, value]);
  }
  if (split === undefined) fault ??= "no empty line after the headers";
  if (startLine.startsWith("SIP/2.0") === false && !startLine.endsWith("SIP/2.0"))
    return { fault: "SIP version not supported", status: 505, startLine, headers };
  let body = "";
  if (split !== undefined && fault === undefined) {
    const lengths = headers.filter(([name]) => name === "content-length").map(([, value]) => value);
    const available = bytes.length - split.bodyStart;
    const length = lengths[0] === undefined ? available : /^\d{1,9}$/.test(lengths[0]) ? Number(lengths[0]) : -1;
    if (length < 0) fault = "malformed Content-Length";
    else if (lengths.some((value) => value !== lengths[0])) fault = "two different Content-Length headers";
    else if (length > available) fault = "body shorter than its Content-Length";
    else if (length > 0) body = utf8.decode(bytes.subarray(split.bodyStart, split.bodyStart + length));
  }
  if (fault !== undefined) return { fault, status: 400, startLine, headers };
  return { startLine, headers, body };
}
