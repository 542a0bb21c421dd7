import { execFileSync, spawnSync } from "node:child_process";
import { OpusDecoder } from "opus-decoder";
import { describe, expect, it, vi } from "vitest";
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

  it("writes nothing to the console for broken bytes, nor breaks on a packet that is far too long", async () => {
    const said = vi.spyOn(console, "error").mockImplementation(() => {});
    const decoders = new OpusDecoders();
    await decoders.warm();
    const decoder = decoders.take();
    const target = new Int16Array(5760);
    for (let i = 2; i < 50; i++) expect(decoder.decode(Uint8Array.of(0xff, 0x80 | i, i), 0, 3, target)).toBe(-1);
    expect(decoder.decode(new Uint8Array(9000).fill(0xff), 0, 9000, target)).toBe(-1);
    expect(said).not.toHaveBeenCalled();
    said.mockRestore();
    decoder.free();
    decoders.free();
  });

  it("tries again where loading failed, and rejects nothing that nobody waits for", async () => {
    const unhandled: unknown[] = [];
    const note = (error: unknown): void => void unhandled.push(error);
    process.on("unhandledRejection", note);
    let made = 0;
    const broken = { ready: Promise.reject(new Error("no memory for the module")), free() {} } as unknown as OpusDecoder;
    const decoders = new OpusDecoders(() => (made++ < 3 ? broken : new OpusDecoder({ channels: 2, forceStereo: true })));
    const decoder = decoders.take();
    const target = new Int16Array(5760);
    // 20 ms of silence as CELT, fullband, mono.
    const silence = Uint8Array.of(0xf8, 0xff, 0xfe);
    let samples = -1;
    for (let i = 0; i < 200 && samples < 0; i++) {
      samples = decoder.decode(silence, 0, 3, target);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    expect(samples).toBe(960);
    expect(made).toBeGreaterThan(3);
    expect(unhandled).toEqual([]);
    process.off("unhandledRejection", note);
    decoder.free();
    decoders.free();
  });
});
