import { ManualClock } from "@earshot/platform/clock/manual-clock.ts";
import { decodeMediaChunk, type MediaChunkView } from "@earshot/proto/media-chunk-codec.ts";
import { expect, test } from "vitest";
import { zeroCounters } from "./counters.ts";
import { LegReceiver } from "./leg-receiver.ts";
import { hasSharedData, readPcap } from "./pcap.fixture.ts";
import type { LegDescription, PayloadFormat } from "./port.ts";
import { type PacketOf, rtpPacket } from "./rtp-packets.fixture.ts";
import { zeroCounts } from "./rtp-statistics.ts";
import { defaultMediaSettings } from "./settings.fixture.ts";
import { protect } from "./srtp.fixture.ts";

const pcma: PayloadFormat = { encoding: "PCMA", clockRate: 8000, channels: 1 };
const formats = new Map<number, PayloadFormat>([
  [0, { encoding: "PCMU", clockRate: 8000, channels: 1 }],
  [8, pcma],
  [9, { encoding: "G722", clockRate: 8000, channels: 1 }],
  [13, { encoding: "CN", clockRate: 8000, channels: 1 }],
  [96, { encoding: "L16", clockRate: 16_000, channels: 1 }],
  [97, { encoding: "opus", clockRate: 48_000, channels: 2 }],
  [101, { encoding: "telephone-event", clockRate: 8000, channels: 1 }],
]);
const base: LegDescription = { remote: undefined, rtcpMux: false, formats, ptimeMs: 20, srtp: undefined, receiving: true };
const voice = new Uint8Array(160).fill(0x2a);

/** A leg on a clock that stands still; `chunks` are decoded as the pipeline would. */
function legOf(description = base, changes: Parameters<typeof defaultMediaSettings>[0] = {}) {
  const clock = new ManualClock();
  const originMs = clock.now();
  const counters = zeroCounters();
  const chunks: MediaChunkView[] = [];
  const digits: { digit: string; positionMs: number; durationMs: number }[] = [];
  const arena = new Uint8Array(65_536);
  const context = {
    settings: defaultMediaSettings(changes),
    clock,
    counters,
    wallOffsetMs: 0,
    sink: (_key: string, encoder: { encode(f: never, t: Uint8Array, o: number): number }, fields: unknown) => {
      chunks.push(decodeMediaChunk(arena.slice(0, encoder.encode(fields as never, arena, 0))));
      return true;
    },
  } as ConstructorParameters<typeof LegReceiver>[0];
  let firstPackets = 0;
  const leg = new LegReceiver(
    context,
    "t",
    "c",
    1,
    originMs,
    description,
    { onDtmf: (digit, positionMs, durationMs) => digits.push({ digit, positionMs, durationMs }), onFirstPacket: () => firstPackets++ },
    () => {},
  );
  /** The datagram is only lent: what is kept of it must be a copy. */
  const receive = (packet: PacketOf, address = "10.0.0.1", port = 4000) => {
    const bytes = rtpPacket(packet);
    leg.onDatagram(bytes, address, port);
    bytes.fill(0xee);
  };
  /** Passes time as the plane does: a tick every 20 ms. */
  const pass = (ms: number) => {
    for (let passed = 0; passed < ms; passed += 20) {
      clock.advance(Math.min(20, ms - passed));
      leg.tick(clock.monotonicMs());
    }
  };
  /** Sends `count` packets 20 ms apart. */
  const talk = (sequence: number, timestamp: number, count: number, more: Partial<PacketOf> = {}) => {
    for (let i = 0; i < count; i++) {
      pass(20);
      receive({ sequence: sequence + i, timestamp: timestamp + i * 160, payload: voice, ...more });
    }
  };
  const counts = () => {
    const into = zeroCounts();
    leg.statistics.read(into);
    return into;
  };
  return { leg, clock, originMs, counters, chunks, digits, receive, pass, talk, counts, firstPackets: () => firstPackets };
}

const frames = (chunks: readonly MediaChunkView[]) => chunks.flatMap((chunk) => [...chunk.frameBytes]);
const spans = (chunks: readonly MediaChunkView[]) =>
  chunks.map((chunk) => [chunk.position, chunk.position + chunk.frameBytes.length * chunk.frameSamples, chunk.afterPause] as const);

test("the first packet is placed by its arrival, the rest by its timestamps", () => {
  const { pass, talk, chunks, originMs, firstPackets } = legOf();
  pass(480);
  talk(1, 4294966800, 10);
  expect(chunks.map((chunk) => chunk.position)).toEqual([3840, 4640]);
  expect(chunks[0]!.occurredAtMs).toBe(originMs + 580);
  expect(chunks[0]!.lastVoicedAtMs).toBe(originMs + 580);
  expect(firstPackets()).toBe(1);
});

test("a lost packet is a frame of 0 bytes in its place; nothing shifts", () => {
  const { talk, chunks, leg, counts } = legOf();
  talk(1, 0, 3);
  talk(5, 640, 7);
  leg.flush();
  expect(frames(chunks)).toEqual([160, 160, 160, 0, 160, 160, 160, 160, 160, 160, 160]);
  expect(chunks.map((chunk) => chunk.position)).toEqual([0, 800, 1600]);
  expect(counts()).toMatchObject({ expected: 11, received: 10, lost: 1, missing: 1, lossRuns: 1 });
});

test("reordered packets come out in order, duplicates once", () => {
  const { receive, pass, leg, chunks, counts } = legOf();
  for (const sequence of [1, 3, 2, 2, 4, 5]) {
    pass(20);
    receive({ sequence, timestamp: sequence * 160, payload: new Uint8Array(160).fill(sequence) });
  }
  leg.flush();
  expect([...chunks[0]!.payload].filter((_, i) => i % 160 === 0)).toEqual([1, 2, 3, 4, 5]);
  expect(counts()).toMatchObject({ received: 5, duplicate: 1, reordered: 1, lost: 0 });
});

test("silence suppression is a true gap, not loss", () => {
  const { talk, pass, chunks, counts, leg } = legOf();
  talk(1, 0, 5);
  pass(1980);
  talk(6, 800 + 16_000 - 160, 5, { marker: true });
  leg.flush();
  expect(spans(chunks)).toEqual([
    [0, 800, false],
    [16_640, 17_440, true],
  ]);
  expect(counts().lost).toBe(0);
});

test("comfort noise is a flagged frame with its level", () => {
  const { talk, pass, receive, chunks, leg } = legOf();
  talk(1, 0, 2);
  pass(20);
  receive({ sequence: 3, timestamp: 320, payloadType: 13, payload: Uint8Array.of(60, 1) });
  leg.flush();
  expect([...chunks[0]!.frameBytes]).toEqual([160, 160, 2]);
  expect([...chunks[0]!.frameFlags]).toEqual([0, 0, 1]);
  expect(chunks[0]!.frameLevels[2]).toBe(60);
});

test("a timestamp jump that arrival does not confirm does not move the audio", () => {
  const { talk, chunks, leg } = legOf();
  talk(1, 0, 5);
  talk(6, 3_000_000_000, 5);
  talk(11, 500, 5);
  leg.flush();
  expect(spans(chunks)).toEqual([
    [0, 800, false],
    [800, 1600, false],
    [1600, 2400, false],
  ]);
});

test("a sender that stops its clock while it pauses is put right by arrival", () => {
  const { talk, pass, chunks, leg } = legOf();
  talk(1, 0, 50);
  pass(10_000);
  talk(51, 50 * 160, 150);
  leg.flush();
  const end = chunks.at(-1)!.position + chunks.at(-1)!.frameBytes.length * 160;
  expect(Math.abs(end - 14_000 * 8)).toBeLessThan(200 * 8);
});

test("another SSRC is taken after two packets in a row, and carries on where arrival says", () => {
  const { talk, pass, receive, chunks, leg, counts, counters } = legOf();
  talk(1, 0, 5);
  pass(20);
  receive({ sequence: 700, timestamp: 9999, ssrc: 50, payload: voice });
  talk(6, 800, 1);
  pass(960);
  talk(30_000, 123_456, 10, { ssrc: 99 });
  leg.flush();
  expect(counters.sourceChanges).toBe(1);
  expect(counts()).toMatchObject({ expected: 16, received: 16, lost: 0 });
  expect(frames(chunks)).toHaveLength(16);
  const last = spans(chunks).at(-1)!;
  expect(Math.abs(last[1] - 1280 * 8)).toBeLessThanOrEqual(240 * 8);
  for (let i = 1; i < chunks.length; i++) expect(spans(chunks)[i]![0]).toBeGreaterThanOrEqual(spans(chunks)[i - 1]![1]);
});

test("an inactive stream leaves a true gap, and what comes meanwhile is no media", () => {
  const { talk, leg, chunks, counts, counters } = legOf();
  talk(1, 0, 5);
  leg.update({ ...base, receiving: false });
  talk(6, 800, 50);
  leg.update(base);
  talk(56, 800 + 50 * 160, 5);
  leg.flush();
  expect(spans(chunks)).toEqual([
    [0, 800, false],
    [8800, 9600, true],
  ]);
  expect(counters.inactive).toBe(50);
  expect(counts()).toMatchObject({ expected: 10, received: 10 });
});

test("a pause drops audio and digits, keeps counting, and leaves a true gap", () => {
  const { talk, leg, chunks, counts, digits, receive, pass } = legOf();
  talk(1, 0, 5);
  leg.setPaused(true);
  talk(6, 800, 50);
  pass(20);
  receive({ sequence: 56, timestamp: 8800, payloadType: 101, payload: Uint8Array.of(5, 0x80, 1, 0x40) });
  leg.setPaused(false);
  talk(57, 800 + 51 * 160, 5);
  leg.flush();
  expect(digits).toEqual([]);
  expect(spans(chunks)).toEqual([
    [0, 800, false],
    [8960, 9760, true],
  ]);
  expect(counts()).toMatchObject({ expected: 61, received: 61 });
});

test("a digit is told once, and audio that sounds with it is flagged from its beginning", () => {
  const { talk, receive, pass, digits, leg, chunks } = legOf();
  talk(1, 0, 7);
  // Three reports of the digit that began with the sixth frame, audio between them, then its end three times.
  let sequence = 8;
  for (let i = 0; i < 3; i++) {
    receive({ sequence: sequence++, timestamp: 800, payloadType: 101, payload: Uint8Array.of(9, 10, 0, 160 * (i + 1) > 255 ? 255 : 160) });
    pass(20);
    receive({ sequence: sequence++, timestamp: 1120 + i * 160, payload: voice });
  }
  for (let i = 0; i < 3; i++)
    receive({ sequence: sequence++, timestamp: 800, payloadType: 101, payload: Uint8Array.of(9, 0x8a, 0x03, 0x20) });
  talk(sequence, 1600, 5);
  leg.flush();
  expect(digits).toEqual([{ digit: "9", positionMs: 100, durationMs: 100 }]);
  const flags = chunks.flatMap((chunk) => (chunk.frameFlags.length === 0 ? chunk.frameBytes.map(() => 0) : [...chunk.frameFlags]));
  expect(flags).toEqual([0, 0, 0, 0, 0, 2, 2, 2, 2, 2, 0, 0, 0, 0, 0]);
});

test("a digit whose end is lost is told when its packets stop", () => {
  const { receive, pass, digits } = legOf();
  pass(100);
  for (let i = 1; i <= 4; i++) {
    pass(20);
    receive({ sequence: i, timestamp: 1000, payloadType: 101, payload: Uint8Array.of(11, 10, (i * 160) >> 8, (i * 160) & 255) });
  }
  expect(digits).toEqual([]);
  pass(300);
  expect(digits).toMatchObject([{ digit: "#", durationMs: 80 }]);
});

test("the payload type may change, and the packet length too", () => {
  const { talk, leg, chunks, receive, pass } = legOf();
  talk(1, 0, 5);
  talk(6, 800, 5, { payloadType: 9 });
  for (let i = 0; i < 5; i++) {
    pass(30);
    receive({ sequence: 11 + i, timestamp: 1600 + i * 240, payloadType: 0, payload: new Uint8Array(240).fill(0xff) });
  }
  leg.flush();
  expect(chunks.map(({ codec, sampleRate, frameSamples, position }) => ({ codec, sampleRate, frameSamples, position }))).toEqual([
    { codec: 1, sampleRate: 8000, frameSamples: 160, position: 0 },
    { codec: 3, sampleRate: 16_000, frameSamples: 320, position: 1600 },
    { codec: 2, sampleRate: 8000, frameSamples: 240, position: 1600 },
    { codec: 2, sampleRate: 8000, frameSamples: 240, position: 2320 },
  ]);
  expect([...chunks[1]!.frameLevels]).toEqual([255, 255, 255, 255, 255]);
  expect([...chunks[2]!.frameLevels]).toEqual([127, 127, 127]);
});

test("Opus and L16 count in their own rates; a change of clock is placed by arrival", () => {
  const { pass, receive, leg, chunks } = legOf();
  for (let i = 0; i < 5; i++) {
    pass(20);
    receive({ sequence: i, timestamp: i * 960, payloadType: 97, payload: Uint8Array.of(0x7c, 1, 2, 3) });
  }
  for (let i = 0; i < 5; i++) {
    pass(20);
    receive({ sequence: 5 + i, timestamp: i * 320, payloadType: 96, payload: new Uint8Array(640) });
  }
  leg.flush();
  expect(chunks.map((chunk) => [chunk.sampleRate, chunk.channels, chunk.position, chunk.frameSamples, chunk.frameBytes.length])).toEqual([
    [48_000, 2, 0, 960, 5],
    [16_000, 1, 1600, 320, 5],
  ]);
});

test("empty payloads are counted as packets and hold no audio", () => {
  const { receive, pass, talk, leg, chunks, counts } = legOf();
  talk(1, 0, 5);
  pass(20);
  receive({ sequence: 6, timestamp: 800, payload: new Uint8Array(0) });
  talk(7, 960, 5);
  leg.flush();
  expect(counts()).toMatchObject({ received: 11, lost: 0 });
  expect(frames(chunks)).toHaveLength(10);
});

test("a chunk that nothing completes goes out by itself", () => {
  const { talk, pass, chunks } = legOf();
  talk(1, 0, 2);
  expect(chunks).toHaveLength(0);
  pass(240);
  expect(chunks).toHaveLength(1);
  expect(chunks[0]!.frameBytes).toEqual([160, 160]);
});

test("the drift of the sender's clock is measured from its packets", () => {
  const { clock, receive, leg } = legOf();
  for (let i = 0; i < 3000; i++) {
    clock.advance(19.99);
    leg.tick(clock.monotonicMs());
    receive({ sequence: i & 0xffff, timestamp: i * 160, payload: voice });
  }
  expect(Math.abs(leg.statistics.driftPpm - 500)).toBeLessThan(5);
});

test("a flood is cut off at the limit per second", () => {
  const { receive, counters, pass } = legOf(base, { maxPacketsPerSecond: 100 });
  pass(20);
  for (let i = 0; i < 150; i++) receive({ sequence: i, timestamp: i * 160, payload: voice });
  expect(counters).toMatchObject({ received: 100, rateLimited: 50 });
  pass(1000);
  receive({ sequence: 150, timestamp: 150 * 160, payload: voice });
  expect(counters.received).toBe(101);
});

test("silence suppression with a stretch of heavy loss keeps positions true", () => {
  const { talk, pass, chunks, leg } = legOf();
  talk(1, 0, 5);
  pass(4000);
  talk(206, 205 * 160, 5);
  leg.flush();
  expect(spans(chunks).at(-1)).toEqual([205 * 160, 210 * 160, false]);
});

test.skipIf(!hasSharedData("pcap-rtp/sipp/"))("real packets of SIPp: G.711 at 30 ms, and each digit once", () => {
  const play = (name: string) => {
    const run = legOf();
    const packets = readPcap(`pcap-rtp/sipp/${name}.pcap`);
    let at = packets[0]!.atMs;
    for (const { atMs, payload } of packets) {
      run.pass(Math.round(atMs - at));
      at = atMs;
      run.leg.onDatagram(payload, "10.0.0.1", 4000);
    }
    run.pass(400);
    run.leg.flush();
    return { ...run, packets: packets.length };
  };
  const audio = play("g711a");
  expect(frames(audio.chunks)).toHaveLength(audio.packets);
  expect(audio.chunks.every((chunk) => chunk.frameSamples === 240)).toBe(true);
  expect(audio.counts()).toMatchObject({ received: audio.packets, lost: 0 });
  for (const [name, digit] of [
    ["dtmf_2833_0", "0"],
    ["dtmf_2833_1", "1"],
    ["dtmf_2833_5", "5"],
    ["dtmf_2833_pound", "#"],
    ["dtmf_2833_star", "*"],
  ] as const) {
    expect(play(name).digits).toMatchObject([{ digit, durationMs: 280 }]);
  }
});

test("SRTP: decrypted audio over a change of source; forgeries and plain RTP are dropped", () => {
  const suite = "AES_CM_128_HMAC_SHA1_32";
  const key = new Uint8Array(30).map((_, i) => i + 1);
  const { leg, pass, chunks, counters, receive } = legOf({ ...base, srtp: { suite, remote: key, local: key } });
  const send = (packet: PacketOf) => {
    pass(20);
    leg.onDatagram(protect(suite, key, rtpPacket(packet), 0), "10.0.0.1", 4000);
  };
  for (let i = 0; i < 5; i++) send({ sequence: i, timestamp: i * 160, payload: voice });
  receive({ sequence: 5, timestamp: 800, payload: voice });
  const forged = protect(suite, key, rtpPacket({ sequence: 5, timestamp: 800, payload: voice }), 0);
  forged[20]! ^= 1;
  leg.onDatagram(forged, "10.0.0.1", 4000);
  for (let i = 0; i < 5; i++) send({ sequence: 500 + i, timestamp: 9000 + i * 160, ssrc: 8, payload: voice });
  leg.flush();
  expect(counters).toMatchObject({ received: 10, srtpRejected: 2, sourceChanges: 1 });
  expect(frames(chunks)).toEqual(new Array(10).fill(160));
  expect(chunks.every((chunk) => chunk.payload.every((byte) => byte === 0x2a))).toBe(true);
});

test("random datagrams neither throw nor grow anything", () => {
  const { leg, pass, counters } = legOf({ ...base, rtcpMux: true }, { maxPacketsPerSecond: 100_000 });
  let state = 23;
  const random = (below: number) => {
    state = (state * 48271) % 2147483647;
    return state % below;
  };
  const types = [...formats.keys()];
  for (let i = 0; i < 20_000; i++) {
    const bytes = Uint8Array.from({ length: random(60) }, () => random(256));
    if (bytes.length > 12 && i % 4 !== 0) {
      bytes[0] = 0x80 | (random(8) === 0 ? random(64) : 0);
      bytes[1] = types[random(types.length)]!;
      bytes.fill(0, 8, 12);
      if (random(3) !== 0) {
        bytes[2] = 0;
        bytes[3] = i & 255;
      }
    }
    leg.onDatagram(bytes, "10.0.0.1", 4000);
    if (i % 10 === 0) pass(20);
  }
  leg.flush();
  expect(counters.received).toBeGreaterThan(1000);
  expect(counters.malformed).toBeGreaterThan(100);
});

test("strangers use up their own budget, never that of the leg's source", () => {
  const { talk, leg, counters } = legOf(base, { maxPacketsPerSecond: 100, maxForeignPacketsPerSecond: 20 });
  talk(1, 0, 5);
  for (let i = 0; i < 50; i++) {
    for (let n = 0; n < 60; n++) leg.onDatagram(Uint8Array.of(120, 120), "10.6.6.6", 666);
    talk(6 + i, 800 + i * 160, 1);
  }
  expect(counters).toMatchObject({ received: 55, rateLimited: 0, foreign: 3000, malformed: 0 });
  // Before anyone is heard the offer's address has the source's budget, too.
  const waiting = legOf({ ...base, remote: { address: "10.0.0.1", rtpPort: 4000, rtcpPort: 0 } }, { maxForeignPacketsPerSecond: 20 });
  for (let n = 0; n < 60; n++) waiting.leg.onDatagram(Uint8Array.of(120, 120), "10.6.6.6", 666);
  waiting.receive({ sequence: 1, timestamp: 0, payload: voice });
  expect(waiting.counters).toMatchObject({ received: 1, malformed: 20, foreign: 40 });
});
