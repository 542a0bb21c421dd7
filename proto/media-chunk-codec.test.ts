import { create, toBinary } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { EarshotError } from "./errors.ts";
import { MediaChunkSchema } from "./gen/earshot/v1/media_pb.js";
import { decodeMediaChunk, MediaChunkEncoder, type MediaChunkFields } from "./media-chunk-codec.ts";

/** Park-Miller: the same "random" chunks on every run. */
function randomFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state * 48271) % 2147483647;
    return Math.floor((state / 2147483647) * below);
  };
}

type Chunk = { tenantId: string; callId: string; leg: number; fields: MediaChunkFields };

function randomChunk(random: (below: number) => number): Chunk {
  const maybe = (below: number) => (random(4) === 0 ? 0 : random(below));
  const frameCount = random(5) === 0 ? 0 : random(12);
  const frameBytes = Uint16Array.from({ length: 16 }, () => maybe(1500));
  let payloadLength = 0;
  for (let i = 0; i < frameCount; i++) payloadLength += frameBytes[i]!;
  const flagged = random(2) === 0;
  return {
    tenantId: random(9) === 0 ? "" : ["t1", "tenant-ü€𐍈", "x".repeat(200)][random(3)]!,
    callId: random(9) === 0 ? "" : `call-${random(1e9)}`,
    leg: maybe(300),
    fields: {
      sequence: maybe(4294967296),
      codec: random(6),
      sampleRate: [0, 8000, 16000, 48000][random(4)]!,
      channels: random(3),
      position: [0, random(1e6), 4294967295, 4294967296, 4294967297, 2 ** 40 + random(1e6), Number.MAX_SAFE_INTEGER][random(7)]!,
      occurredAtMs: [0, 1_800_000_000_000 + random(1e9), 1][random(3)]!,
      frameSamples: maybe(2000),
      frameCount,
      frameBytes,
      frameLevels: Uint8Array.from({ length: 16 }, () => maybe(256)),
      frameFlags: Uint8Array.from({ length: 16 }, () => (flagged ? random(4) : 0)),
      payload: Uint8Array.from({ length: 20_000 }, () => random(256)),
      payloadLength,
      afterPause: random(2) === 0,
      lastVoicedAtMs: [0, 1_800_000_000_000 + random(1e9)][random(2)]!,
    },
  };
}

function generated({ tenantId, callId, leg, fields }: Chunk): Uint8Array {
  const flags = fields.frameFlags.slice(0, fields.frameCount);
  return toBinary(
    MediaChunkSchema,
    create(MediaChunkSchema, {
      tenantId,
      callId,
      leg,
      sequence: fields.sequence,
      codec: fields.codec,
      sampleRate: fields.sampleRate,
      channels: fields.channels,
      position: BigInt(fields.position),
      occurredAtMs: BigInt(fields.occurredAtMs),
      frameSamples: fields.frameSamples,
      frameBytes: [...fields.frameBytes.slice(0, fields.frameCount)],
      frameLevels: fields.frameLevels.slice(0, fields.frameCount),
      payload: fields.payload.slice(0, fields.payloadLength),
      afterPause: fields.afterPause,
      frameFlags: flags.some((flag) => flag !== 0) ? flags : new Uint8Array(0),
      lastVoicedAtMs: BigInt(fields.lastVoicedAtMs),
    }),
  );
}

test("writes exactly the bytes of the generated code, and reads them back", () => {
  const random = randomFrom(7);
  const arena = new Uint8Array(40_000);
  for (let round = 0; round < 400; round++) {
    const chunk = randomChunk(random);
    const { tenantId, callId, leg, fields } = chunk;
    const encoder = new MediaChunkEncoder(tenantId, callId, leg);
    const offset = random(100);
    const end = encoder.encode(fields, arena, offset);
    const bytes = arena.slice(offset, end);
    expect(Buffer.from(bytes).equals(generated(chunk))).toBe(true);
    expect(end - offset).toBeLessThanOrEqual(encoder.maxLength(fields));

    const read = decodeMediaChunk(bytes);
    expect(read).toMatchObject({ tenantId, callId, leg, sequence: fields.sequence, codec: fields.codec, position: fields.position });
    expect(read).toMatchObject({ sampleRate: fields.sampleRate, channels: fields.channels, frameSamples: fields.frameSamples });
    expect(read).toMatchObject({ occurredAtMs: fields.occurredAtMs, lastVoicedAtMs: fields.lastVoicedAtMs, afterPause: fields.afterPause });
    expect(read.frameBytes).toEqual([...fields.frameBytes.slice(0, fields.frameCount)]);
    expect([...read.frameLevels]).toEqual([...fields.frameLevels.slice(0, fields.frameCount)]);
    expect(Buffer.compare(read.payload, fields.payload.subarray(0, fields.payloadLength))).toBe(0);
    const flags = [...fields.frameFlags.slice(0, fields.frameCount)];
    expect([...read.frameFlags]).toEqual(flags.some((flag) => flag !== 0) ? flags : []);
  }
});

test("an arena that is too small is refused before anything is written", () => {
  const { fields } = randomChunk(randomFrom(3));
  const arena = new Uint8Array(50);
  expect(() => new MediaChunkEncoder("t", "c", 0).encode({ ...fields, payloadLength: 40 }, arena, 0)).toThrow(RangeError);
  expect(arena.every((byte) => byte === 0)).toBe(true);
});

test("skips fields of a newer version", () => {
  const bytes = Uint8Array.of(0x0a, 1, 0x74, 0x88, 0x01, 5, 0x92, 0x01, 2, 1, 2, 0x9d, 0x01, 1, 2, 3, 4);
  expect(decodeMediaChunk(bytes).tenantId).toBe("t");
});

test("malformed bytes are corrupt, never anything else", () => {
  const random = randomFrom(99);
  const isCorrupt = (bytes: Uint8Array) => {
    try {
      decodeMediaChunk(bytes);
      return false;
    } catch (error) {
      expect(error).toBeInstanceOf(EarshotError);
      expect((error as EarshotError).category).toBe("corrupt");
      return true;
    }
  };
  expect(isCorrupt(Uint8Array.of(0x0a, 5, 0x74))).toBe(true); // string cut off
  expect(isCorrupt(Uint8Array.of(0x1a, 0))).toBe(true); // leg with the wrong wire type
  expect(isCorrupt(Uint8Array.of(0x40, ...new Array(10).fill(0xff)))).toBe(true); // endless varint
  expect(isCorrupt(Uint8Array.of(0x40, ...new Array(9).fill(0xff), 1))).toBe(true); // over 2^53
  expect(isCorrupt(Uint8Array.of(0x5a, 1, 3))).toBe(true); // three payload bytes promised, none there
  expect(isCorrupt(Uint8Array.of(0x0a, 1, 0xff))).toBe(true); // not UTF-8
  expect(isCorrupt(Uint8Array.of(0x00))).toBe(true); // field 0
  let rejected = 0;
  for (let round = 0; round < 500; round++) {
    const bytes = generated(randomChunk(random)).slice();
    for (let flips = 0; flips < 3; flips++) bytes[random(Math.min(bytes.length, 60))] = random(256);
    if (isCorrupt(bytes.subarray(0, random(bytes.length + 1)))) rejected++;
  }
  expect(rejected).toBeGreaterThan(250);
});
