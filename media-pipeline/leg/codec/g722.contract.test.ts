import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { G722Decoder } from "./g722.ts";

const ffmpeg = spawnSync("ffmpeg", ["-version"]).status === 0;

describe("G.722 decoder", () => {
  it.skipIf(!ffmpeg)("is bit exact with ffmpeg's, over speech-like sound, full scale and random octets", () => {
    const folder = mkdtempSync(join(tmpdir(), "earshot-g722-"));
    try {
      const octets = new Uint8Array(40_000);
      let seed = 1;
      for (let i = 0; i < octets.length; i++) {
        seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
        octets[i] = seed >>> 24;
      }
      execFileSync("ffmpeg", [
        ..."-v error -y -f lavfi -i".split(" "),
        "aevalsrc=0.9*sin(2*PI*(200+900*t)*t)*(0.5+0.5*sin(9*t)):s=16000:d=2",
        ..."-c:a g722 -f g722".split(" "),
        join(folder, "a.g722"),
      ]);
      const sweep = readFileSync(join(folder, "a.g722"));
      const coded = new Uint8Array([...sweep, ...octets]);
      writeFileSync(join(folder, "all.g722"), coded);
      execFileSync("ffmpeg", ["-v", "error", "-y", "-f", "g722", "-i", join(folder, "all.g722"), "-f", "s16le", join(folder, "all.raw")]);
      const raw = readFileSync(join(folder, "all.raw"));
      const truth = new Int16Array(raw.buffer, raw.byteOffset, raw.length / 2);
      const mine = new Int16Array(coded.length * 2);
      const decoder = new G722Decoder();
      for (let at = 0; at < coded.length; at += 160) decoder.decode(coded, at, Math.min(160, coded.length - at), mine.subarray(at * 2));
      const end = Math.min(truth.length, mine.length);
      expect(end).toBeGreaterThan(100_000);
      let different = 0;
      let worst = 0;
      for (let i = 0; i < end; i++) {
        const off = Math.abs(truth[i]! - mine[i]!);
        if (off > 0) different++;
        if (off > worst) worst = off;
      }
      expect({ different, worst }).toEqual({ different: 0, worst: 0 });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
