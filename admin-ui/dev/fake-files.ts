/** What the fake API sends that is not JSON: pages, a recording, live audio. */
import { createReadStream, existsSync, statSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { extname, join, normalize } from "node:path";

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

/** A stereo WAV of two quiet hums, with HTTP ranges, so that the browser can seek. */
export function wave(response: ServerResponse, request: IncomingMessage, durationMs: number): void {
  const rate = 8000;
  const frames = Math.round((durationMs / 1000) * rate);
  const file = Buffer.alloc(44 + frames * 4);
  file.write("RIFF", 0);
  file.writeUInt32LE(36 + frames * 4, 4);
  file.write("WAVEfmt ", 8);
  file.writeUInt32LE(16, 16);
  file.writeUInt16LE(1, 20);
  file.writeUInt16LE(2, 22);
  file.writeUInt32LE(rate, 24);
  file.writeUInt32LE(rate * 4, 28);
  file.writeUInt16LE(4, 32);
  file.writeUInt16LE(16, 34);
  file.write("data", 36);
  file.writeUInt32LE(frames * 4, 40);
  for (let frame = 0; frame < frames; frame += 1) {
    file.writeInt16LE(Math.round(Math.sin(frame / 9) * 900), 44 + frame * 4);
    file.writeInt16LE(Math.round(Math.sin(frame / 7) * 900), 46 + frame * 4);
  }
  const range = /bytes=(\d+)-(\d*)/.exec(request.headers.range ?? "");
  const from = Number(range?.[1] ?? 0);
  const to = Math.min(file.length - 1, range?.[2] ? Number(range[2]) : file.length - 1);
  const head = { "content-type": "audio/wav", "accept-ranges": "bytes", "content-length": String(to - from + 1) };
  response.writeHead(
    range === null ? 200 : 206,
    range === null ? head : { ...head, "content-range": `bytes ${from}-${to}/${file.length}` },
  );
  response.end(file.subarray(from, to + 1));
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
