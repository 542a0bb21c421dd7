/** What the fake API sends that is not JSON: pages, a recording, live audio. */
import { createReadStream, existsSync, statSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { extname, join, normalize } from "node:path";
import { pipeline, Readable } from "node:stream";

const types: Record<string, string> = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
  ".woff2": "font/woff2",
};

/** The built pages: a file, else the page itself, under the product's content security policy. */
export function page(dist: string, path: string, response: ServerResponse): void {
  const file = normalize(join(dist, path));
  const found = file.startsWith(dist) && existsSync(file) && statSync(file).isFile() ? file : join(dist, "index.html");
  response.writeHead(200, {
    "content-type": types[extname(found)] ?? "application/octet-stream",
    "content-security-policy":
      "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'",
  });
  createReadStream(found).pipe(response);
}

/** A stereo WAV of two quiet hums, made as it is read, with HTTP ranges, so that the browser can seek. */
export function wave(response: ServerResponse, request: IncomingMessage, durationMs: number): void {
  const rate = 8000;
  const frames = Math.round((durationMs / 1000) * rate);
  const length = 44 + frames * 4;
  const head = Buffer.alloc(44);
  head.write("RIFF", 0);
  head.writeUInt32LE(length - 8, 4);
  head.write("WAVEfmt ", 8);
  head.writeUInt32LE(16, 16);
  head.writeUInt16LE(1, 20);
  head.writeUInt16LE(2, 22);
  head.writeUInt32LE(rate, 24);
  head.writeUInt32LE(rate * 4, 28);
  head.writeUInt16LE(4, 32);
  head.writeUInt16LE(16, 34);
  head.write("data", 36);
  head.writeUInt32LE(frames * 4, 40);
  const range = /bytes=(\d+)-(\d*)/.exec(request.headers.range ?? "");
  const from = Number(range?.[1] ?? 0);
  const to = Math.min(length - 1, range?.[2] ? Number(range[2]) : length - 1);
  response.writeHead(range === null ? 200 : 206, {
    "content-type": "audio/wav",
    "accept-ranges": "bytes",
    "content-length": String(to - from + 1),
    ...(range === null ? {} : { "content-range": `bytes ${from}-${to}/${length}` }),
  });
  const parts = function* () {
    if (from < 44) yield head.subarray(from, to + 1);
    for (let at = Math.max(from, 44); at <= to; ) {
      const frame = Math.floor((at - 44) / 4);
      const part = Buffer.alloc(Math.min(16_384, frames - frame) * 4);
      for (let index = 0; index < part.length / 4; index += 1) {
        part.writeInt16LE(Math.round(Math.sin((frame + index) / 9) * 900), index * 4);
        part.writeInt16LE(Math.round(Math.sin((frame + index) / 7) * 900), index * 4 + 2);
      }
      const start = 44 + frame * 4;
      yield part.subarray(at - start, to + 1 - start);
      at = start + part.length;
    }
  };
  // A browser that has heard enough closes the connection.
  pipeline(Readable.from(parts(), { objectMode: false }), response, () => undefined);
}

/** 100 ms of the binary audio message. */
export function tone(callId: string, positionMs: number): Uint8Array {
  const frames = 1600;
  const buffer = Buffer.alloc(13 + callId.length + frames * 4);
  buffer.write("EA", 0);
  buffer[2] = 1;
  buffer[3] = 2;
  buffer.writeUInt32LE(16_000, 4);
  buffer.writeUInt32LE(positionMs, 8);
  buffer[12] = callId.length;
  buffer.write(callId, 13);
  for (let frame = 0; frame < frames; frame += 1) {
    buffer.writeInt16LE(Math.round(Math.sin(frame / 20) * 500), 13 + callId.length + frame * 4);
    buffer.writeInt16LE(Math.round(Math.sin(frame / 15) * 500), 15 + callId.length + frame * 4);
  }
  return buffer;
}
