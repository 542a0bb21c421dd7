/** Multipart bodies as SIPREC clients write them (RFC 2046 5.1, RFC 5621): SDP and metadata in one message. */

export type BodyPart = {
  /** Media type in lower case, without parameters. */
  readonly type: string;
  /** Content-Disposition value in lower case, without parameters; "" where absent. */
  readonly disposition: string;
  readonly content: string;
};
export type MultipartResult = { readonly parts: readonly BodyPart[] } | { readonly fault: string };

const maxParts = 16;

/**
 * Reads a body of any content type into parts; one that is not multipart is one part.
 * Preamble, epilogue, blank lines inside parts, bare LF and quoted boundaries are all legal.
 * @returns a fault in words for the reason phrase of a 400
 */
export function readBody(contentType: string | undefined, disposition: string | undefined, body: string): MultipartResult {
  if (body.trim() === "") return { parts: [] };
  if (contentType === undefined) return { fault: "Body without Content-Type" };
  const type = mediaType(contentType);
  if (!type.startsWith("multipart/")) return { parts: [{ type, disposition: mediaType(disposition ?? ""), content: body }] };
  const boundary = parameter(contentType, "boundary");
  if (boundary === undefined || boundary === "") return { fault: "Multipart Without Boundary" };
  if (boundary.length > 200) return { fault: "Multipart Boundary Too Long" };
  return splitParts(body, boundary);
}

function splitParts(body: string, boundary: string): MultipartResult {
  const delimiter = `--${boundary}`;
  const parts: BodyPart[] = [];
  let partStart = -1;
  let closed = false;
  let at = 0;
  while (at <= body.length) {
    const newline = body.indexOf("\n", at);
    const end = newline === -1 ? body.length : newline;
    const line = body.slice(at, end).trimEnd();
    const next = end + 1;
    if (line === delimiter || line === `${delimiter}--`) {
      if (partStart !== -1) {
        if (parts.length >= maxParts) return { fault: "Too Many Body Parts" };
        const part = readPart(body.slice(partStart, dropLineEnd(body, at, partStart)));
        if ("fault" in part) return part;
        parts.push(part);
      }
      if (line !== delimiter) {
        closed = true;
        break;
      }
      partStart = next;
    }
    if (newline === -1) break;
    at = next;
  }
  if (partStart === -1) return { fault: "Multipart Boundary Not Found" };
  if (!closed) return { fault: "Multipart Not Closed" };
  if (parts.length === 0) return { fault: "Multipart Without Parts" };
  return { parts };
}

/** The line end before a delimiter belongs to the delimiter (RFC 2046 5.1.1). */
function dropLineEnd(body: string, at: number, floor: number): number {
  let end = at;
  if (end > floor && body[end - 1] === "\n") end--;
  if (end > floor && body[end - 1] === "\r") end--;
  return end;
}

function readPart(text: string): BodyPart | { fault: string } {
  const split = /^(?:\r?\n)|\r?\n\r?\n/.exec(text);
  if (split === null) return { fault: "Body Part Without Empty Line" };
  const head = text.slice(0, split.index);
  let type = "text/plain";
  let disposition = "";
  let encoding = "";
  for (const line of head.replace(/\r?\n[ \t]+/g, " ").split(/\r?\n/)) {
    if (line.trim() === "") continue;
    const colon = line.indexOf(":");
    if (colon <= 0) return { fault: "Malformed Body Part Header" };
    const name = line.slice(0, colon).trim().toLowerCase();
    const value = line.slice(colon + 1).trim();
    if (name === "content-type" || name === "c") type = mediaType(value);
    else if (name === "content-disposition") disposition = mediaType(value);
    else if (name === "content-transfer-encoding") encoding = value.toLowerCase();
  }
  let content = text.slice(split.index + split[0].length);
  if (encoding === "base64") content = Buffer.from(content, "base64").toString("utf8");
  else if (encoding !== "" && encoding !== "binary" && encoding !== "8bit" && encoding !== "7bit")
    return { fault: "Body Part Encoding Not Supported" };
  return { type, disposition, content };
}

/** The value before its parameters, in lower case. */
export function mediaType(value: string): string {
  return value.split(";", 1)[0]!.trim().toLowerCase();
}

/** A header parameter, unquoted; undefined where absent. */
export function parameter(value: string, name: string): string | undefined {
  const match = new RegExp(`;\\s*${name}\\s*=\\s*(?:"((?:[^"\\\\]|\\\\.)*)"|([^\\s;]+))`, "i").exec(value);
  if (match === null) return undefined;
  return match[1] === undefined ? match[2] : match[1].replace(/\\(.)/g, "$1");
}

export const isSdp = (part: BodyPart): boolean => part.type === "application/sdp";
/** RFC 7866 and RFC 7865 name the type differently (settled by RFC 9806); clients use both. */
export const isMetadata = (part: BodyPart): boolean =>
  part.type === "application/rs-metadata" || part.type === "application/rs-metadata+xml";
