/** What the whisper recogniser and its worker thread say to each other. */
import type { RecognisedWord } from "../port.ts";
import type { WhisperAbilities } from "./model.ts";

export type WhisperSetup = {
  /** A model's name at Hugging Face, or a folder's own name within `localFolder`. */
  readonly model: string;
  /** Set = nothing is downloaded. */
  readonly localFolder: string | undefined;
  readonly cacheFolder: string;
};
export type ToWhisper = { readonly id: number; readonly pcm: Int16Array; readonly language: string };
export type FromWhisper =
  | { readonly kind: "loading"; readonly file: string; readonly loaded: number; readonly total: number }
  | { readonly kind: "ready"; readonly abilities: WhisperAbilities }
  | { readonly kind: "unusable"; readonly reason: string }
  | { readonly kind: "words"; readonly id: number; readonly text: string; readonly words: readonly RecognisedWord[] }
  | { readonly kind: "failed"; readonly id: number; readonly reason: string };
