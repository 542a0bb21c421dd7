/** Just enough of RFC 6455's server side for the fake API: text and binary out, short text in. */
import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";

export interface FakeSocket {
  send(data: string | Uint8Array): void;
  close(): void;
  onText: (text: string) => void;
  onClose: () => void;
}

export function acceptWebSocket(request: IncomingMessage, stream: Duplex): FakeSocket {
  const key = request.headers["sec-websocket-key"] ?? "";
  const accept = createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
  stream.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`);
  let open = true;
  let pending = Buffer.alloc(0);
  const socket: FakeSocket = {
    onText: () => {},
    onClose: () => {},
    send(data) {
      if (!open) return;
      const body = typeof data === "string" ? Buffer.from(data) : Buffer.from(data);
      const head = body.length < 126 ? Buffer.alloc(2) : body.length < 65_536 ? Buffer.alloc(4) : Buffer.alloc(10);
      head[0] = 0x80 | (typeof data === "string" ? 1 : 2);
      if (body.length < 126) head[1] = body.length;
      else if (body.length < 65_536) {
        head[1] = 126;
        head.writeUInt16BE(body.length, 2);
      } else {
        head[1] = 127;
        head.writeBigUInt64BE(BigInt(body.length), 2);
      }
      stream.write(Buffer.concat([head, body]));
    },
    close() {
      if (!open) return;
      open = false;
      stream.end(Buffer.from([0x88, 0]));
      stream.destroy();
      socket.onClose();
    },
  };
  stream.on("data", (chunk: Buffer) => {
    pending = Buffer.concat([pending, chunk]);
    for (;;) {
      if (pending.length < 6) return;
      const long = (pending[1] ?? 0) & 0x7f;
      if (long === 127) return socket.close();
      const start = long === 126 ? 4 : 2;
      const length = long === 126 ? pending.readUInt16BE(2) : long;
      if (pending.length < start + 4 + length) return;
      const mask = pending.subarray(start, start + 4);
      const body = Buffer.from(pending.subarray(start + 4, start + 4 + length));
      for (let index = 0; index < body.length; index += 1) body[index] = (body[index] ?? 0) ^ (mask[index % 4] ?? 0);
      const kind = (pending[0] ?? 0) & 0x0f;
      pending = pending.subarray(start + 4 + length);
      if (kind === 8) return socket.close();
      if (kind === 1) socket.onText(body.toString());
    }
  });
  stream.on("error", () => socket.close());
  stream.on("close", () => {
    if (!open) return;
    open = false;
    socket.onClose();
  });
  return socket;
}
