/** What the recogniser and its decoding child process say to each other, over the child's IPC channel (structured clone). */
import type { RecognisedWord } from "../port.ts";
import type { Channel } from "./channel.ts";
import type { Installation } from "./find-installation.ts";

export type WorkerSetup = { readonly installation: Installation; readonly tuning: readonly string[]; readonly partialSamples: number };

export type ToWorker =
  | { readonly kind: "setup"; readonly setup: WorkerSetup }
  | { readonly kind: "begin"; readonly id: number; readonly partials: boolean; readonly channel: Channel }
  | { readonly kind: "audio"; readonly id: number; readonly pcm: Int16Array }
  | { readonly kind: "end"; readonly id: number }
  | { readonly kind: "abort"; readonly id: number };

export type FromWorker =
  | { readonly kind: "ready" }
  | { readonly kind: "unusable"; readonly reason: string }
  /** So many samples of this utterance are decoded. */
  | { readonly kind: "progress"; readonly id: number; readonly samples: number }
  | { readonly kind: "partial"; readonly id: number; readonly text: string; readonly words: readonly RecognisedWord[] }
  /** With what the leg's channel is now known to be. */
  | {
      readonly kind: "final";
      readonly id: number;
      readonly text: string;
      readonly words: readonly RecognisedWord[];
      readonly channel: Channel;
    }
  | { readonly kind: "failed"; readonly id: number; readonly reason: string }
  /** The utterance's decoder is free again. */
  | { readonly kind: "released"; readonly id: number };
