import { execFileSync, spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { OpusDecoders } from "./opus.ts";

const ffmpeg = spawnSync("ffmpeg", ["-version"]).status === 0;

/** Opus packets of an Ogg stream (RFC 3533 lacing), without its two header packets. */
function oggPackets(ogg: Buffer): Uint8Array[] {
  const packets: Uint8Array[] = [];
  let open: Uint8Array[] = [];
  for (let at = 0; at + 27 <= ogg.length; ) {
    const segments = ogg[at + 26]!;
    let from = at + 27 + segments;
    for (let i = 0; i < segments; i++) {
      const size = ogg[at + 27 + i]!;
      open.push(ogg.subarray(from, from + size));
      from += size;
      if (size < 255) {
        packets.push(new Uint8Array(Buffer.concat(open)));
        open = [];
      }
    }
    at = from;
  }
  return packets.slice(2);
}

describe("Opus", () => {
  it.skipIf(!ffmpeg)("decodes what libopus encoded, mono and stereo, from the first frame on", async () => {
    const decoders = new OpusDecoders();
    await decoders.warm();
    for (const channels of [1, 2]) {
      await decoders.warm();
      const ogg = execFileSync("ffmpeg", [
        ..."-v error -f lavfi -i sine=frequency=1000:sample_rate=48000:duration=1".split(" "),
        ...`-ac ${channels} -c:a libopus -b:a 32k -frame_duration 20 -f ogg -`.split(" "),
      ]);
      const decoder = decoders.take();
      const target = new Int16Array(5760);
      let samples = 0;
      let crossings = 0;
      let last = 0;
      for (const packet of oggPackets(ogg)) {
        const count = decoder.decode(packet, 0, packet.length, target);
        expect(count).toBe(960);
        samples += count;
        for (let i = 0; i < count; i++) {
          if (last < 0 && target[i]! >= 0) crossings++;
          last = target[i]!;
        }
      }
      expect(samples).toBeGreaterThanOrEqual(48_000);
      expect(Math.abs(crossings - samples / 48)).toBeLessThan(5);
      decoder.free();
    }
    decoders.free();
  });

  it("says that broken bytes are no frame", async () => {
    const decoders = new OpusDecoders();
    await decoders.warm();
    const decoder = decoders.take();
    expect(decoder.decode(Uint8Array.of(0xff, 0xff, 0xff), 0, 3, new Int16Array(5760))).toBe(-1);
    decoder.free();
    decoders.free();
  });
});
