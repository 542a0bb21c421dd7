/** Loopback ports that nobody has at present. Others may take them meanwhile: whoever binds them tries others then. */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer } from "node:net";

/** @returns a port that is free on UDP and on TCP */
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

/** @returns the first, an even one, of `count` UDP ports in a row */
export async function freePortRange(count: number): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const from = 22_000 + 2 * Math.floor(Math.random() * 20_000);
    const probes = Array.from({ length: count }, () => createSocket("udp4"));
    const bound = await Promise.allSettled(
      probes.map((probe, i) => {
        probe.bind({ address: "127.0.0.1", port: from + i, exclusive: true });
        return once(probe, "listening");
      }),
    );
    await Promise.all(probes.map((probe) => new Promise<void>((resolve) => probe.close(() => resolve()))));
    if (bound.every(({ status }) => status === "fulfilled")) return from;
  }
  throw new Error("no free range of ports");
}
