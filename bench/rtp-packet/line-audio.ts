/** What a telephone line carries: the demo dialogues, one side after the other, with the noise of a line where nobody speaks. */
import { loadCallAudio } from "@earshot/deploy/demo-pbx/call-audio.ts";
import { scenarioIds } from "@earshot/deploy/demo-pbx/dialogue.ts";
import { encodeALaw } from "@earshot/deploy/demo-pbx/g711-encoder.ts";

/** Of 16-bit samples: -57 dBov. A synthesised pause is all zeros, and would compress like no real one. */
const noiseRms = 46;

/** @returns A-law at 8 kHz, some minutes */
export function lineAudio(): Uint8Array {
  const linear = new Int16Array(256);
  const every = Int16Array.from({ length: 65_536 }, (_, i) => i - 32_768);
  encodeALaw(every).forEach((code, i) => {
    linear[code] = every[i]!;
  });
  let seed = 1;
  const uniform = (): number => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
    return seed / 2 ** 32 - 0.5;
  };
  const sides = scenarioIds().flatMap((id) => loadCallAudio(id, { codec: "PCMA" }).streams);
  const samples = sides.flatMap(({ payload }) => Array.from(payload, (code) => linear[code]!));
  // Twelve uniform ones make a normal one of variance 1.
  const noise = (): number => Array.from({ length: 12 }, uniform).reduce((sum, one) => sum + one, 0) * noiseRms;
  return encodeALaw(Int16Array.from(samples, (sample) => Math.max(-32_768, Math.min(32_767, Math.round(sample + noise())))));
}
