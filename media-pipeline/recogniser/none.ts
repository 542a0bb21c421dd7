/** No engine: everything else works, and whoever looks is told how to get one. */
import { EarshotError } from "@earshot/proto/errors.ts";
import type { Recogniser } from "./port.ts";

export const howToGetAnEngine =
  "Install one: apt-get install libpocketsphinx3 pocketsphinx-en-us (or set EARSHOT_OPENAI_API_KEY), then start Earshot again.";

/** @returns a recogniser that refuses every utterance with category unavailable */
export function noRecogniser(): Recogniser {
  return {
    name: "recogniser:none",
    id: "none",
    version: "",
    capabilities: { partials: false, words: false, languages: [], sampleRate: 16000, concurrency: 0 },
    async start() {},
    async stop() {},
    utterance() {
      throw new EarshotError("unavailable", "no_speech_engine", "No speech engine is set up.", { remedy: howToGetAnEngine });
    },
    legEnded() {},
  };
}
