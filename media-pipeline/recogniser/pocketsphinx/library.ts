/** The few functions of libpocketsphinx 3 (0.8+5prealpha) that streaming needs, called through koffi. Blocks: only for a child process. */
import koffi from "koffi";
import type { RecognisedWord } from "../port.ts";
import type { Installation } from "./find-installation.ts";

/** Ten-millisecond frames, as the model's front end cuts them. */
const framesPerSecond = 100;

export type Decoder = {
  start(): void;
  /** 16 kHz, 16-bit mono. */
  process(pcm: Int16Array): void;
  /** The best words so far. */
  partial(): { text: string; words: RecognisedWord[] };
  /** Ends the utterance and searches it to the end. */
  finish(): { text: string; words: RecognisedWord[] };
  free(): void;
};

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
      ...tuning,
    ];
    const config = parse(null, psArgs(), argv.length, argv, 0);
    if (config === null) throw new Error("libpocketsphinx refused its options");
    const ps = init(config);
    freeConfig(config);
    if (ps === null) throw new Error("libpocketsphinx could not load its model");
    const scale = logmath(ps);

    const read = (posteriors: boolean) => {
      const words: RecognisedWord[] = [];
      const [start, end] = [[0], [0]];
      for (let seg = segIter(ps, null); seg !== null; seg = segNext(seg)) {
        const text = spoken(segWord(seg) as string);
        if (text === "") continue;
        segFrames(seg, start, end);
        const word = { text, startMs: (start[0]! * 1000) / framesPerSecond, endMs: ((end[0]! + 1) * 1000) / framesPerSecond };
        words.push(posteriors ? { ...word, confidence: Math.min(1, exp(scale, segProb(seg, null, null, null)) as number) } : word);
      }
      return { text: words.map((word) => word.text).join(" "), words };
    };
    let open = false;
    return {
      start() {
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
      free() {
        if (open) endUtt(ps);
        free(ps);
      },
    };
  };
}

/** A dictionary entry as people read it: no `(2)` of a second pronunciation, no `<sil>` or `[NOISE]`. */
export function spoken(entry: string): string {
  if (entry.startsWith("<") || entry.startsWith("[") || entry.startsWith("++")) return "";
  const variant = entry.indexOf("(");
  return variant > 0 ? entry.slice(0, variant) : entry;
}
