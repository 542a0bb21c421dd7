/** A loopback port that nobody has at present, on UDP and on TCP. Others may take it meanwhile: whoever binds it tries another one then. */
import { createSocket } from "node:dgram";
import { createServer } from "node:net";

export async function freePort(): Promise<number> {
  for (;;) {
    const tcp = createServer();
    await new Promise<void>((resolve) => tcp.listen(0, "127.0.0.1", resolve));
    const { port } = tcp.address() as { port: number };
    const udp = createSocket("udp4");
    const isFree = await new Promise<boolean>((resolve) =>
      udp.once("error", () => resolve(false)).bind(port, "127.0.0.1", () => resolve(true)),
    );
    if (isFree) await new Promise<void>((resolve) => udp.close(() => resolve()));
    await new Promise<void>((resolve) => tcp.close(() => resolve()));
    if (isFree) return port;
  }
}
