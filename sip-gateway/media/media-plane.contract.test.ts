import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { networkInterfaces } from "node:os";
import { systemClock } from "@earshot/platform/clock/clock.ts";
import { silentLog } from "@earshot/platform/log/log.ts";
import { createMetrics } from "@earshot/platform/metrics/metrics.ts";
import { decodeEvent } from "@earshot/proto/event.ts";
import { callId, tenantId } from "@earshot/proto/ids.ts";
import { decodeMediaChunk, type MediaChunkView } from "@earshot/proto/media-chunk-codec.ts";
import { afterEach, expect, test } from "vitest";
import { freePortRange } from "../testing/free-port.ts";
import { createMediaPlane } from "./media-plane.ts";
import type { LegDescription, LegEvents, MediaPlane } from "./port.ts";
import { parseRtcp } from "./rtcp.ts";
import { rtpPacket } from "./rtp-packets.fixture.ts";
import { RtpSocket } from "./rtp-socket.ts";
import { defaultMediaSettings } from "./settings.fixture.ts";
import type { MediaSettings } from "./settings.ts";

const tenant = tenantId("t1");
const host = "127.0.0.1";
const cleanUp: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const step of cleanUp.splice(0).reverse()) await step();
});

class FakeLog {
  full = false;
  readonly chunks: MediaChunkView[] = [];
  readonly events: ReturnType<typeof decodeEvent>[] = [];
  append(topic: string, _key: string, value: Uint8Array): boolean {
    if (this.full) return false;
    if (topic === "media.v1") this.chunks.push(decodeMediaChunk(value.slice()));
    else this.events.push(decodeEvent(value.slice()));
    return true;
  }
  of(call: string): MediaChunkView[] {
    return this.chunks.filter((chunk) => chunk.callId === call);
  }
}

async function planeWith(settings: Partial<MediaSettings> = {}, pairs = 8) {
  const eventLog = new FakeLog();
  const metrics = createMetrics();
  const from = await freePortRange(pairs * 2);
  const plane = createMediaPlane({
    ports: { from, to: from + pairs * 2 - 1 },
    settings: defaultMediaSettings({ host, drainMs: 300, qualityIntervalMs: 500, ...settings }),
    log: silentLog,
    metrics,
    clock: systemClock,
    eventLog,
  });
  await plane.start();
  cleanUp.push(() => plane.stop(0));
  return { plane, eventLog, metrics };
}

async function socket(): Promise<Socket> {
  const made = createSocket("udp4");
  made.bind(0, host);
  await once(made, "listening");
  cleanUp.push(() => made.close());
  return made;
}

const pcma: LegDescription = {
  remote: undefined,
  rtcpMux: false,
  formats: new Map([
    [8, { encoding: "PCMA", clockRate: 8000, channels: 1 }],
    [101, { encoding: "telephone-event", clockRate: 8000, channels: 1 }],
  ]),
  ptimeMs: 20,
  srtp: undefined,
  receiving: true,
};
const noEvents: LegEvents = { onDtmf() {}, onFirstPacket() {} };
const speech = new Uint8Array(160).fill(0x2a);
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function openLeg(plane: MediaPlane, call: string, description = pcma, events = noEvents) {
  const ports = await plane.allocate();
  return { ports, leg: plane.open(tenant, callId(call), 0, Date.now(), ports, description, events) };
}

async function send(from: Socket, port: number, first: number, count: number, ssrc = 7) {
  for (let i = first; i < first + count; i++) from.send(rtpPacket({ sequence: i, timestamp: i * 160, ssrc, payload: speech }), port, host);
  await pause(60);
}

test("packets become 100 ms chunks of the call, and the rest goes out with the end of the leg", async () => {
  const { plane, eventLog } = await planeWith();
  let firstPackets = 0;
  const { ports, leg } = await openLeg(plane, "c1", pcma, { ...noEvents, onFirstPacket: () => firstPackets++ });
  expect(ports.rtpPort % 2).toBe(0);
  expect(ports.rtcpPort).toBe(ports.rtpPort + 1);
  expect(leg.lastPacketMs()).toBeUndefined();
  await send(await socket(), ports.rtpPort, 65_530, 12);
  expect(eventLog.chunks).toHaveLength(2);
  expect(Math.abs(leg.lastPacketMs()! - systemClock.monotonicMs())).toBeLessThan(2000);
  expect(leg.close()).toEqual({ packetsReceived: 12, packetsExpected: 12, packetsLost: 0 });
  const chunks = eventLog.of("c1");
  expect(chunks.map((chunk) => chunk.frameBytes.length)).toEqual([5, 5, 2]);
  expect(chunks.map((chunk) => chunk.sequence)).toEqual([0, 1, 2]);
  const origin = chunks[0]!.position;
  expect(chunks.map((chunk) => chunk.position - origin)).toEqual([0, 800, 1600]);
  expect(chunks[0]).toMatchObject({ tenantId: "t1", leg: 0, sampleRate: 8000, channels: 1, frameSamples: 160, codec: 1 });
  expect(chunks[0]!.payload.every((byte) => byte === 0x2a)).toBe(true);
  expect(firstPackets).toBe(1);
});

test("a released port drops late packets while it drains: they never reach the next call", async () => {
  const { plane, eventLog, metrics } = await planeWith({}, 1);
  const sender = await socket();
  const first = await openLeg(plane, "old");
  await send(sender, first.ports.rtpPort, 0, 5);
  first.leg.close();
  expect(plane.freePairs()).toBe(0);
  await expect(plane.allocate()).rejects.toMatchObject({ category: "unavailable", code: "rtp_ports_exhausted" });
  await send(sender, first.ports.rtpPort, 5, 5);
  expect(eventLog.of("old")).toHaveLength(1);
  await pause(500);
  expect(plane.freePairs()).toBe(1);
  const second = await openLeg(plane, "new");
  expect(second.ports).toEqual(first.ports);
  second.leg.close();
  await plane.stop(0);
  expect(eventLog.of("new")).toHaveLength(0);
  expect(await metrics.expose()).toMatch(/earshot_rtp_packets_dropped_total\{reason="no_call"\} 5/);
});

test("datagrams are taken below node:dgram's event, on the Node that the project pins", async () => {
  const bound = await RtpSocket.bind(host, 0, 65_536, { onDatagram() {} });
  cleanUp.push(() => bound.close());
  expect(bound.direct).toBe(true);
});

test("a pair never opened is free at once; a port in use elsewhere is passed over", async () => {
  const { plane } = await planeWith({}, 3);
  const pair = await plane.allocate();
  plane.release(pair);
  await pause(20);
  expect(plane.freePairs()).toBe(3);
  const blocker = createSocket("udp4");
  blocker.bind(pair.rtcpPort, host);
  await once(blocker, "listening");
  cleanUp.push(() => blocker.close());
  const others = [await plane.allocate(), await plane.allocate()];
  expect(others.map((other) => other.rtpPort)).not.toContain(pair.rtpPort);
  await expect(plane.allocate()).rejects.toMatchObject({ code: "rtp_ports_exhausted" });
});

test("strangers are counted and dropped; garbage too", async () => {
  const { plane, eventLog, metrics } = await planeWith();
  const { ports, leg } = await openLeg(plane, "c1");
  const [friend, stranger] = [await socket(), await socket()];
  await send(friend, ports.rtpPort, 0, 5);
  await send(stranger, ports.rtpPort, 5, 5, 99);
  friend.send(Buffer.from("INVITE sip:x SIP/2.0"), ports.rtpPort, host);
  friend.send(Buffer.alloc(0), ports.rtpPort, host);
  friend.send(rtpPacket({ sequence: 5, timestamp: 800, ssrc: 7, payloadType: 77, payload: speech }), ports.rtpPort, host);
  await pause(60);
  expect(leg.close().packetsReceived).toBe(5);
  await plane.stop(0);
  expect(eventLog.of("c1")).toHaveLength(1);
  const text = await metrics.expose();
  expect(text).toMatch(/reason="foreign_source"\} 5/);
  expect(text).toMatch(/reason="malformed"\} [12]/);
  expect(text).toMatch(/reason="unknown_payload_type"\} 1/);
});

test("line quality and receiver reports come every interval", async () => {
  const { plane, eventLog } = await planeWith();
  const [rtp, rtcp] = [await socket(), await socket()];
  const description = { ...pcma, remote: { address: host, rtpPort: rtp.address().port, rtcpPort: rtcp.address().port } };
  const { ports, leg } = await openLeg(plane, "c1", description);
  const report = once(rtcp, "message", { signal: AbortSignal.timeout(3000) });
  for (let i = 0; i < 30; i++) {
    if (i !== 7) await send(rtp, ports.rtpPort, i, 1);
    if (eventLog.events.length > 0 && i > 10) break;
  }
  const [bytes] = (await report) as [Buffer];
  expect(parseRtcp(bytes)).toBeDefined();
  expect(bytes[1]).toBe(201);
  expect(bytes.readUInt32BE(8)).toBe(7);
  leg.close();
  const events = eventLog.events.flatMap((event) => (event.payload.case === "lineQuality" ? [event.payload.value] : []));
  expect(events.length).toBeGreaterThanOrEqual(1);
  expect(events.reduce((sum, event) => sum + event.packetsLost, 0)).toBe(1);
  expect(events[0]).toMatchObject({ leg: 0, fromMs: 0, codec: "PCMA", silent: false });
});

test("a full event log costs the chunk, leaves a hole in the sequence, and never blocks", async () => {
  const { plane, eventLog, metrics } = await planeWith();
  const { ports, leg } = await openLeg(plane, "c1");
  const sender = await socket();
  await send(sender, ports.rtpPort, 0, 5);
  eventLog.full = true;
  await send(sender, ports.rtpPort, 5, 5);
  eventLog.full = false;
  await send(sender, ports.rtpPort, 10, 5);
  leg.close();
  expect(eventLog.of("c1").map((chunk) => chunk.sequence)).toEqual([0, 2]);
  await plane.stop(0);
  expect(await metrics.expose()).toMatch(/earshot_media_chunks_lost_total 1/);
});

test("RTCP on the RTP port is understood only where it was agreed", async () => {
  const { plane, eventLog } = await planeWith();
  const rtp = await socket();
  const { ports, leg } = await openLeg(plane, "c1", { ...pcma, rtcpMux: true });
  const report = once(rtp, "message", { signal: AbortSignal.timeout(3000) });
  await send(rtp, ports.rtpPort, 0, 5);
  const senderReport = Buffer.from("80c80006000000070000000000000000000000000000000500000320", "hex");
  rtp.send(senderReport, ports.rtpPort, host);
  const [bytes] = (await report) as [Buffer];
  expect(bytes[1]).toBe(201);
  expect(leg.close().packetsReceived).toBe(5);
  expect(eventLog.of("c1")).toHaveLength(1);
});

test.each([
  ["the offer's RTCP port", { address: host, rtpPort: 65_535, rtcpPort: 65_536 }],
  ["no RTCP port", { address: host, rtpPort: 65_535, rtcpPort: 0 }],
])("a report that has no port to go to is counted, and every leg goes on: %s", async (_, remote) => {
  const { plane, eventLog, metrics } = await planeWith();
  const sender = await socket();
  if (remote.rtcpPort === 0) {
    sender.close();
    cleanUp.pop();
  }
  const from = remote.rtcpPort === 0 ? await socketOn(65_535) : sender;
  const bad = await openLeg(plane, "bad", { ...pcma, remote });
  const good = await openLeg(plane, "good");
  for (let i = 0; i < 14; i++) {
    await send(from, bad.ports.rtpPort, i, 1);
    await send(from, good.ports.rtpPort, i, 1);
  }
  expect([bad.leg.close().packetsReceived, good.leg.close().packetsReceived]).toEqual([14, 14]);
  await plane.stop(0);
  expect(eventLog.of("good").length).toBeGreaterThan(0);
  expect(await metrics.expose()).toMatch(/earshot_rtcp_packets_total\{kind="unsendable"\} [1-9]/);
});

async function socketOn(port: number): Promise<Socket> {
  const made = createSocket("udp4");
  made.bind(port, host);
  await once(made, "listening");
  cleanUp.push(() => made.close());
  return made;
}

test("a socket never throws on send: no such port, or closed", async () => {
  const bound = await RtpSocket.bind(host, 0, 65_536, { onDatagram() {} });
  for (const port of [0, -1, 65_536, 1.5, Number.NaN]) expect(bound.send(speech, host, port)).toBe(false);
  expect(bound.send(speech, host, 9)).toBe(true);
  await bound.close();
  expect(bound.send(speech, host, 9)).toBe(false);
});

test("a leg that throws, in its tick or on a packet, is closed alone", async () => {
  const { plane, eventLog, metrics } = await planeWith();
  const sender = await socket();
  const throwing = {
    ...noEvents,
    onFirstPacket: () => {
      throw new Error("fault on a packet");
    },
  };
  const onPacket = await openLeg(plane, "packet", pcma, throwing);
  const inTick = await openLeg(plane, "tick", pcma, {
    ...noEvents,
    onDtmf: () => {
      throw new Error("fault in the tick");
    },
  });
  const good = await openLeg(plane, "good");
  await send(sender, onPacket.ports.rtpPort, 0, 1);
  await send(sender, inTick.ports.rtpPort, 0, 1);
  // A digit whose end never comes is reported by the tick.
  sender.send(
    rtpPacket({ sequence: 1, timestamp: 160, ssrc: 7, payloadType: 101, payload: Uint8Array.of(5, 10, 0, 160) }),
    inTick.ports.rtpPort,
    host,
  );
  await pause(500);
  await send(sender, good.ports.rtpPort, 0, 10);
  expect(good.leg.close().packetsReceived).toBe(10);
  expect([onPacket.leg.close().packetsReceived, inTick.leg.close().packetsReceived]).toEqual([0, 2]);
  await pause(400);
  expect(plane.freePairs()).toBe(8);
  await plane.stop(0);
  expect(eventLog.of("good")).toHaveLength(2);
  expect(await metrics.expose()).toMatch(/earshot_media_leg_faults_total 2/);
});

const loopback6 = Object.values(networkInterfaces()).some((addresses) => addresses?.some(({ address }) => address === "::1"));

test.skipIf(!loopback6)("RTP and RTCP over IPv6 (::1; skipped where the machine has none)", async () => {
  const { plane, eventLog } = await planeWith({ host: "::1" });
  const sender = createSocket("udp6");
  sender.bind(0, "::1");
  await once(sender, "listening");
  cleanUp.push(() => sender.close());
  const { port } = sender.address();
  const { ports, leg } = await openLeg(plane, "six", { ...pcma, rtcpMux: true, remote: { address: "::1", rtpPort: port, rtcpPort: port } });
  const report = once(sender, "message", { signal: AbortSignal.timeout(3000) });
  for (let i = 0; i < 10; i++) sender.send(rtpPacket({ sequence: i, timestamp: i * 160, ssrc: 7, payload: speech }), ports.rtpPort, "::1");
  const [bytes] = (await report) as [Buffer];
  expect(parseRtcp(bytes)).toBeDefined();
  expect(leg.close().packetsReceived).toBe(10);
  expect(eventLog.of("six")).toHaveLength(2);
});

test("a flood from strangers on a leg's port costs its stream nothing", async () => {
  const { plane } = await planeWith({ maxForeignPacketsPerSecond: 20 });
  const [friend, stranger] = [await socket(), await socket()];
  const { ports, leg } = await openLeg(plane, "c1");
  await send(friend, ports.rtpPort, 0, 1);
  // 12,000 a second, in bursts that the kernel's buffer holds.
  for (let i = 1; i <= 40; i++) {
    for (let n = 0; n < 120; n++) stranger.send("xx", ports.rtpPort, host);
    friend.send(rtpPacket({ sequence: i, timestamp: i * 160, ssrc: 7, payload: speech }), ports.rtpPort, host);
    await pause(10);
  }
  await pause(60);
  expect(leg.close()).toEqual({ packetsReceived: 41, packetsExpected: 41, packetsLost: 0 });
});
