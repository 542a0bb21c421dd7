/** The other side of the benches of the live socket: many WebSocket clients in one process, as cheap as they can be, that note when each event came. */
import { connect, type Socket } from "node:net";

export type ClientsReport = { received: number; latenciesMs: number[] };
/** The engine's name carries when the event was made; searching the bytes costs less than parsing them. */
const marker = Buffer.from('"engine":"');

const [portText = "", countText = "", key = "bench"] = process.argv.slice(2);
let report: ClientsReport = { received: 0, latenciesMs: [] };

/** Server frames are not masked: header, length, payload (RFC 6455 section 5.2). */
function read(buffer: Buffer): Buffer {
  let rest = buffer;
  while (rest.length >= 2) {
    const short = rest[1]! & 0x7f;
    const header = short === 127 ? 10 : short === 126 ? 4 : 2;
    if (rest.length < header) break;
    const length = short === 127 ? Number(rest.readBigUInt64BE(2)) : short === 126 ? rest.readUInt16BE(2) : short;
    if (rest.length < header + length) break;
    take(rest.subarray(header, header + length));
    rest = rest.subarray(header + length);
  }
  return rest;
}

function take(payload: Buffer): void {
  const now = performance.timeOrigin + performance.now();
  for (let at = payload.indexOf(marker); at >= 0; at = payload.indexOf(marker, at + marker.length)) {
    report.received += 1;
    // One in ten is enough for a percentile.
    if (report.received % 10 === 0)
      report.latenciesMs.push(now - Number.parseFloat(payload.toString("latin1", at + marker.length, at + marker.length + 17)));
  }
}

function open(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () => {
      socket.write(
        "GET /api/v1/live HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
          `Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nAuthorization: Bearer ${key}\r\n\r\n`,
      );
    });
    let rest: Buffer | undefined;
    socket.on("data", (data) => {
      if (rest !== undefined) {
        rest = read(rest.length === 0 ? data : Buffer.concat([rest, data]));
        return;
      }
      const end = data.indexOf("\r\n\r\n");
      if (!data.toString("latin1", 0, 12).includes("101") || end < 0) return reject(new Error(data.toString("latin1", 0, 200)));
      rest = read(data.subarray(end + 4));
      resolve(socket);
    });
    socket.on("error", reject);
  });
}

for (let i = 0; i < Number(countText); i += 50)
  await Promise.all(Array.from({ length: Math.min(50, Number(countText) - i) }, () => open(Number(portText))));
process.on("message", (message) => {
  if (message === "report") process.send?.(report);
  else if (message === "reset") report = { received: 0, latenciesMs: [] };
});
process.on("disconnect", () => process.exit());
process.send?.("open");
