import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { systemClock } from "@earshot/platform/clock/clock.ts";
import { afterEach, describe, expect, test } from "vitest";
import type { BindMediaSocket, MediaSocket } from "./media-socket.ts";
import { NativeSockets } from "./native-sockets.ts";
import { type DatagramReceiver, RtpSocket } from "./rtp-socket.ts";

const host = "127.0.0.1";
const maxPacketBytes = 1000;
const linux = process.platform === "linux" && (process.arch === "x64" || process.arch === "arm64");

const cleanUp: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of cleanUp.splice(0).reverse()) await step();
});

/** Copies what it is handed. */
class Keeper implements DatagramReceiver {
  readonly packets: number[][] = [];
  readonly from: string[] = [];
  readonly lengths: number[] = [];
  onDatagram(packet: Uint8Array, address: string, port: number): void {
    this.packets.push([...packet.subarray(0, 4)]);
    this.lengths.push(packet.length);
    this.from.push(`${address}:${port}`);
  }
}

async function peer(): Promise<Socket> {
  const made = createSocket("udp4");
  made.bind(0, host);
  await once(made, "listening");
  cleanUp.push(() => made.close());
  return made;
}

const sent = (from: Socket, bytes: Uint8Array, port: number) =>
  new Promise<void>((resolve) => from.send(bytes, port, host, () => resolve()));

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 400 && !condition(); i++) await new Promise((resolve) => setTimeout(resolve, 5));
}
const settled = () => new Promise((resolve) => setTimeout(resolve, 30));

const kinds: [string, () => { bind: BindMediaSocket; stop: () => void } | undefined][] = [
  ["dgram", () => ({ bind: RtpSocket.bind, stop: () => {} })],
  [
    "native",
    () => {
      const native = NativeSockets.create(host, maxPacketBytes, systemClock);
      return native && { bind: (...given) => native.bind(...given), stop: () => native.stop() };
    },
  ],
];

describe.each(kinds)("a media socket read by %s", (kind, make) => {
  const skip = kind === "native" && !linux;

  async function bound(receiver: DatagramReceiver, port = 0): Promise<MediaSocket & { bind: BindMediaSocket; stop: () => void }> {
    const made = make();
    if (made === undefined) throw new Error("the native sockets cannot be made on this machine");
    const socket = await made.bind(host, port, 262_144, receiver);
    cleanUp.push(
      () => socket.close().catch(() => {}),
      () => made.stop(),
    );
    return Object.assign(socket, made);
  }

  test.skipIf(skip)("hands over every datagram of a burst, in order, with its length and source", async () => {
    const keeper = new Keeper();
    const socket = await bound(keeper);
    const [a, b] = [await peer(), await peer()];
    for (let i = 0; i < 100; i++) await sent(i % 3 === 0 ? b : a, Uint8Array.of(i, 1, 2, 3, ...new Array(i % 7).fill(9)), socket.port);
    await until(() => keeper.packets.length >= 100);
    expect(keeper.packets).toEqual(Array.from({ length: 100 }, (_, i) => [i, 1, 2, 3]));
    expect(keeper.lengths).toEqual(Array.from({ length: 100 }, (_, i) => 4 + (i % 7)));
    const ports = [a.address().port, b.address().port];
    expect(keeper.from).toEqual(Array.from({ length: 100 }, (_, i) => `${host}:${ports[i % 3 === 0 ? 1 : 0]}`));
  });

  test.skipIf(skip)("shows empty datagrams as empty and long ones as too long", async () => {
    const keeper = new Keeper();
    const socket = await bound(keeper);
    const from = await peer();
    for (const length of [0, maxPacketBytes, maxPacketBytes + 1, 9000, 172]) await sent(from, new Uint8Array(length), socket.port);
    await until(() => keeper.lengths.length >= 5);
    expect(keeper.lengths.map((length) => Math.min(length, maxPacketBytes + 1))).toEqual([0, 1000, 1001, 1001, 172]);
  });

  test.skipIf(skip)("goes over to another receiver, and one that throws is told and stops nobody", async () => {
    const faults: unknown[] = [];
    const fault = new Error("on purpose");
    const socket = await bound({
      onDatagram() {
        throw fault;
      },
      onFault: (error) => faults.push(error),
    });
    const from = await peer();
    await sent(from, Uint8Array.of(1), socket.port);
    await sent(from, Uint8Array.of(2), socket.port);
    await until(() => faults.length === 2);
    expect(faults).toEqual([fault, fault]);
    const keeper = new Keeper();
    socket.giveTo(keeper);
    await sent(from, Uint8Array.of(3), socket.port);
    await until(() => keeper.packets.length === 1);
    expect(keeper.packets).toEqual([[3]]);
  });

  test.skipIf(skip)("sends from its own port; says so where it cannot, and never throws", async () => {
    const socket = await bound(new Keeper());
    const to = await peer();
    const arrived = once(to, "message", { signal: AbortSignal.timeout(3000) });
    expect(socket.send(Uint8Array.of(7, 8), host, to.address().port)).toBe(true);
    const [bytes, from] = (await arrived) as [Buffer, { address: string; port: number }];
    expect([[...bytes], from.address, from.port]).toEqual([[7, 8], host, socket.port]);
    for (const port of [0, -1, 65_536, 1.5, Number.NaN]) expect(socket.send(bytes, host, port)).toBe(false);
    await socket.close();
    expect(socket.send(bytes, host, to.address().port)).toBe(false);
  });

  test.skipIf(skip)("refuses a port that is taken, and an address that is not here", async () => {
    const socket = await bound(new Keeper());
    await expect(socket.bind(host, socket.port, 65_536, new Keeper())).rejects.toMatchObject({ code: "rtp_port_in_use" });
    await expect(socket.bind("192.0.2.1", 0, 65_536, new Keeper())).rejects.toMatchObject({ code: "rtp_port_unusable" });
  });

  test.skipIf(skip)(
    "hears nothing once closed, also where its own receiver closes it; the port and the descriptor are free again",
    async () => {
      const keeper = new Keeper();
      const first = await bound(keeper);
      const from = await peer();
      const descriptors = () => (linux ? readdirSync("/proc/self/fd").length : 0);
      const before = descriptors();
      for (let i = 0; i < 40; i++) {
        const heard: number[] = [];
        let one: MediaSocket | undefined;
        one = await first.bind(host, 0, 65_536, {
          onDatagram(packet) {
            heard.push(packet[0]!);
            void one?.close();
          },
        });
        await sent(from, Uint8Array.of(i), one.port);
        await until(() => heard.length > 0);
        await sent(from, Uint8Array.of(200), one.port);
        expect(heard).toEqual([i]);
        await (await first.bind(host, one.port, 65_536, keeper)).close();
        await expect(first.bind(host, first.port, 65_536, keeper)).rejects.toThrow();
      }
      await settled();
      expect(descriptors()).toBe(before);
      await sent(from, Uint8Array.of(5), first.port);
      await until(() => keeper.packets.length === 1);
      expect(keeper.packets).toEqual([[5]]);
    },
  );
});

describe("native sockets", () => {
  test.skipIf(!linux)("load on this machine, for IPv4 only; once stopped they hold no descriptor and bind nothing", async () => {
    expect(NativeSockets.create("::1", 1000, systemClock)).toBeUndefined();
    const before = readdirSync("/proc/self/fd").length;
    const native = NativeSockets.create(host, 1000, systemClock)!;
    await Promise.all([1, 2, 3].map(() => native.bind(host, 0, 65_536, new Keeper())));
    expect(readdirSync("/proc/self/fd").length).toBe(before + 4);
    native.stop();
    native.stop();
    expect(readdirSync("/proc/self/fd").length).toBe(before);
    await expect(native.bind(host, 0, 65_536, new Keeper())).rejects.toMatchObject({ code: "rtp_port_unusable" });
  });

  test.skipIf(!linux)("tell when a datagram came, not when it was read", async () => {
    const native = NativeSockets.create(host, 1000, systemClock)!;
    cleanUp.push(() => native.stop());
    const arrivals: number[] = [];
    const to = await native.bind(host, 0, 65_536, { onDatagram: (_packet, _address, _port, arrivedMs) => void arrivals.push(arrivedMs!) });
    const from = await native.bind(host, 0, 65_536, new Keeper());
    const sentAt: number[] = [];
    for (const waitMs of [0, 30, 45, 20]) {
      const end = performance.now() + waitMs;
      while (performance.now() < end);
      sentAt.push(performance.now());
      from.send(Uint8Array.of(1), host, to.port);
    }
    await until(() => arrivals.length === 4);
    for (let i = 0; i < 4; i++) expect(Math.abs(arrivals[i]! - sentAt[i]!)).toBeLessThan(8);
  });

  test.skipIf(!linux)("read no more from one port at a time than leaves the others their turn", async () => {
    const native = NativeSockets.create(host, 1000, systemClock)!;
    cleanUp.push(() => native.stop());
    const order: string[] = [];
    const note = (name: string): DatagramReceiver => ({ onDatagram: () => void order.push(name) });
    const loud = await native.bind(host, 0, 1_000_000, note("loud"));
    const soft = await native.bind(host, 0, 65_536, note("soft"));
    const from = await peer();
    for (let i = 0; i < 60; i++) from.send(Uint8Array.of(1), loud.port, host);
    from.send(Uint8Array.of(1), soft.port, host);
    // All of it is in the sockets before the next look.
    const end = performance.now() + 50;
    while (performance.now() < end);
    await until(() => order.length >= 61);
    expect(order).toHaveLength(61);
    expect(order.indexOf("soft")).toBeLessThan(60);
  });
});
