/** The few functions of libpocketsphinx 3 (0.8+5prealpha) that streaming needs, called through koffi. Blocks: only for a child process. */
import koffi from "koffi";
import type { RecognisedWord } from "../port.ts";
import { type Channel, cepstrumSize, modelMean, unheard } from "./channel.ts";
import type { Installation } from "./find-installation.ts";

/** Ten-millisecond frames, as the model's front end cuts them. */
const framesPerSecond = 100;

export type Decoder = {
  /** @param mean the mean cepstrum to begin with */
  start(mean: readonly number[]): void;
  /** 16 kHz, 16-bit mono. */
  process(pcm: Int16Array): void;
  /** The best words so far. */
  partial(): { text: string; words: RecognisedWord[] };
  /** Ends the utterance and searches it to the end. */
  finish(): { text: string; words: RecognisedWord[] };
  /** The cepstra of the utterance so far, also after `finish`. */
  heard(): Channel;
  free(): void;
};

/** Offsets within `feat_t` and `cmn_t` of sphinxbase 0.8+5prealpha, where pointers have eight bytes. */
const layout = { featCmn: 88, cmnMean: 0, cmnSum: 16, cmnFrames: 24, cmnSize: 28 };
const cepstrum = koffi.array("float", cepstrumSize);

/**
 * Opens the libraries.
 * @returns a maker of decoders, about 0.3 s and 100 MB each
 * @throws Error where a library or the model cannot be loaded
 */
export function openPocketsphinx(installation: Installation, tuning: readonly string[]): () => Decoder {
  const base = koffi.load(installation.base, { global: true });
  const lib = koffi.load(installation.library);
  const errSetLogfp = base.func("void err_set_logfp(void *stream)");
  const parse = base.func("void *cmd_ln_parse_r(void *inout, void *defn, int argc, const char **argv, int strict)");
  const freeConfig = base.func("int cmd_ln_free_r(void *cmdln)");
  const exp = base.func("double logmath_exp(void *lmath, int logb)");
  const psArgs = lib.func("void *ps_args()");
  const init = lib.func("void *ps_init(void *config)");
  const free = lib.func("int ps_free(void *ps)");
  const startUtt = lib.func("int ps_start_utt(void *ps)");
  const processRaw = lib.func("int ps_process_raw(void *ps, const int16_t *data, size_t n, int no_search, int full_utt)");
  const endUtt = lib.func("int ps_end_utt(void *ps)");
  // The second argument went away in 5prealpha; passing null serves both.
  const segIter = lib.func("void *ps_seg_iter(void *ps, void *best_score)");
  const segNext = lib.func("void *ps_seg_next(void *seg)");
  const segWord = lib.func("const char *ps_seg_word(void *seg)");
  const segFrames = lib.func("void ps_seg_frames(void *seg, _Out_ int *start, _Out_ int *end)");
  const segProb = lib.func("int ps_seg_prob(void *seg, void *ascr, void *lscr, void *lback)");
  const logmath = lib.func("void *ps_get_logmath(void *ps)");
  const getFeat = lib.func("void *ps_get_feat(void *ps)");

  errSetLogfp(null);

  return () => {
    const argv = [
      "pocketsphinx",
      "-hmm",
      installation.acousticModel,
      "-lm",
      installation.languageModel,
      "-dict",
      installation.dictionary,
      "-logfn",
      "/dev/null",
      "-cmninit",
      modelMean.join(","),
      ...tuning,
    ];
    const config = parse(null, psArgs(), argv.length, argv, 0);
    if (config === null) throw new Error("libpocketsphinx refused its options");
    const ps = init(config);
    freeConfig(config);
    if (ps === null) throw new Error("libpocketsphinx could not load its model");
    const scale = logmath(ps);
    const channel = channelOf(getFeat(ps));

    const read = (posteriors: boolean) => {
      const words: RecognisedWord[] = [];
      const [start, end] = [[0], [0]];
      // Frames are counted on from utterance to utterance of a decoder; the first segment, <s>, is where this one began.
      let began = -1;
      for (let seg = segIter(ps, null); seg !== null; seg = segNext(seg)) {
        segFrames(seg, start, end);
        if (began < 0) began = start[0]!;
        const text = spoken(segWord(seg) as string);
        if (text === "") continue;
        const word = {
          text,
          startMs: ((start[0]! - began) * 1000) / framesPerSecond,
          endMs: ((end[0]! + 1 - began) * 1000) / framesPerSecond,
        };
        words.push(posteriors ? { ...word, confidence: Math.min(1, exp(scale, segProb(seg, null, null, null)) as number) } : word);
      }
      return { text: words.map((word) => word.text).join(" "), words };
    };
    let open = false;
    return {
      start(mean) {
        channel?.begin(mean);
        if (startUtt(ps) !== 0) throw new Error("ps_start_utt failed");
        open = true;
      },
      process(pcm) {
        if (processRaw(ps, pcm, pcm.length, 0, 0) < 0) throw new Error("ps_process_raw failed");
      },
      partial: () => read(false),
      finish() {
        open = false;
        if (endUtt(ps) !== 0) return { text: "", words: [] };
        return read(true);
      },
      heard: () => channel?.heard() ?? unheard,
      free() {
        if (open) endUtt(ps);
        free(ps);
      },
    };
  };
}

/**
 * The decoder's own mean normalisation, which no public function reaches.
 * @returns undefined where the structures are not those expected: the library then normalises by itself, across legs
 */
function channelOf(feat: unknown): { begin(mean: readonly number[]): void; heard(): Channel } | undefined {
  if (koffi.sizeof("void *") !== 8) return undefined;
  const cmn = koffi.decode(feat, layout.featCmn, "void *") as unknown;
  if (cmn === null || koffi.decode(cmn, layout.cmnSize, "int") !== cepstrumSize) return undefined;
  const mean = koffi.decode(cmn, layout.cmnMean, "void *") as unknown;
  const sum = koffi.decode(cmn, layout.cmnSum, "void *") as unknown;
  const initial = koffi.decode(mean, cepstrum) as Float32Array;
  if (modelMean.some((value, i) => Math.abs(initial[i]! - value) > 0.01)) return undefined;
  return {
    begin(value) {
      koffi.encode(mean, cepstrum, value);
      koffi.encode(sum, cepstrum, unheard.sum);
      koffi.encode(cmn, layout.cmnFrames, "int", 0);
    },
    heard: () => ({
      sum: Array.from(koffi.decode(sum, cepstrum) as Float32Array),
      frames: koffi.decode(cmn, layout.cmnFrames, "int") as number,
    }),
  };
}

/** A dictionary entry as people read it: no `(2)` of a second pronunciation, no `<sil>` or `[NOISE]`. */
export function spoken(entry: string): string {
  if (entry.startsWith("<") || entry.startsWith("[") || entry.startsWith("++")) return "";
  const variant = entry.indexOf("(");
  return variant > 0 ? entry.slice(0, variant) : entry;
}
