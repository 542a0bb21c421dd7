import { describe, expect, it } from "vitest";
import { isOpusPacket } from "./opus-packet.ts";

/** 20 ms CELT, fullband, with the packet code in the lower bits. */
const toc = (code: number, configuration = 31): number => (configuration << 3) | code;
const packet = (head: number[], more: number): Uint8Array => Uint8Array.from([...head, ...new Array(more).fill(0)]);

describe("the framing of an Opus packet", () => {
  const good: [string, Uint8Array][] = [
    ["one frame", packet([toc(0)], 80)],
    ["a frame of nothing (DTX)", packet([toc(0)], 0)],
    ["two frames of the same length", packet([toc(1)], 80)],
    ["two frames, the first of 10", packet([toc(2), 10], 30)],
    ["two frames, the first of 256 + 4", packet([toc(2), 252, 2], 300)],
    ["three of the same length", packet([toc(3), 3], 90)],
    ["six of 20 ms", packet([toc(3), 6], 60)],
    ["variable lengths", packet([toc(3), 0x83, 10, 20], 40)],
    ["padded", packet([toc(3), 0x42, 4], 24)],
    ["padded by more than 254", packet([toc(3), 0x42, 255, 4], 258 + 20)],
  ];
  it.each(good)("takes %s", (_name, bytes) => expect(isOpusPacket(bytes, 0, bytes.length)).toBe(true));

  const bad: [string, Uint8Array][] = [
    ["no byte at all", packet([], 0)],
    ["a frame that is too long", packet([toc(0)], 1276)],
    ["two equal frames in an odd number of bytes", packet([toc(1)], 81)],
    ["a first frame longer than the packet", packet([toc(2), 50], 30)],
    ["a length cut off", packet([toc(2), 252], 0)],
    ["no frame", packet([toc(3), 0], 90)],
    ["more than 120 ms", packet([toc(3), 7], 70)],
    ["more than 120 ms of 60 ms frames", packet([toc(3, 3), 3], 70)],
    ["frames that do not come out even", packet([toc(3), 3], 91)],
    ["padding beyond the end", packet([toc(3), 0x42, 90], 20)],
    ["lengths beyond the end", packet([toc(3), 0x83, 10, 200], 40)],
    ["three bytes of ones", packet([0xff, 0xff, 0xff], 0)],
  ];
  it.each(bad)("refuses %s", (_name, bytes) => expect(isOpusPacket(bytes, 0, bytes.length)).toBe(false));

  it("never reads beyond what it was given", () => {
    const bytes = packet([toc(2), 252, 200], 4000);
    expect(isOpusPacket(bytes, 0, 2)).toBe(false);
  });
});
