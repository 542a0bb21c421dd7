/** Speech to text, one utterance at a time: audio goes in while people speak, partials come back, the end gives the final words. */

import type { Component } from "@earshot/platform/lifecycle/component.ts";
import type { CallId, TenantId } from "@earshot/proto/ids.ts";

export type RecognisedWord = {
  readonly text: string;
  /** From the first sample fed to the utterance. */
  readonly startMs: number;
  readonly endMs: number;
  /** 0..1; undefined = the engine gives none. */
  readonly confidence?: number;
};

export type Recognition = {
  /** Empty = the engine heard no words. */
  readonly text: string;
  /** Empty where the engine gives none. */
  readonly words: readonly RecognisedWord[];
  readonly language?: string;
  readonly confidence?: number;
  /** The engine that really spoke (in a fallback chain, not always the first) and its version or model. */
  readonly engine: string;
  readonly engineVersion: string;
};

export type Capabilities = {
  readonly partials: boolean;
  readonly words: boolean;
  /** BCP 47 primary tags, or "any". */
  readonly languages: readonly string[] | "any";
  /** The rate `feed` expects, in Hz. */
  readonly sampleRate: 8000 | 16000 | 24000;
  /** Does it listen for `UtteranceOptions.vocabulary`? Absent = the words given are ignored. */
  readonly vocabulary?: boolean;
  /** Utterances at once before `utterance` waits or refuses. */
  readonly concurrency: number;
};

export type UtteranceOptions = {
  readonly tenantId: TenantId;
  readonly callId: CallId;
  readonly leg: number;
  /** BCP 47, or empty = the engine's choice. */
  readonly language: string;
  readonly vocabulary: readonly string[];
  /** Words so far; each call replaces the one before. Only where `capabilities.partials`. */
  onPartial?(text: string, words: readonly RecognisedWord[]): void;
};

export interface Utterance {
  /** 16-bit mono at `capabilities.sampleRate`. Never blocks; the buffer is copied. Audio beyond the engine's queue limit is dropped and makes `end` reject. */
  feed(pcm: Int16Array): void;
  /** Resolves when little of what was fed still waits to be decoded, or the utterance is over; for feeders that can wait. Absent = it always keeps up. */
  drained?(): Promise<void>;
  /** No more audio: resolves with the final words. Rejects with an EarshotError whose category says whether to retry. */
  end(): Promise<Recognition>;
  /** Gives up; releases everything; `onPartial` is not called again. */
  abort(): void;
}

export interface Recogniser extends Component {
  /** "pocketsphinx", "whisper", "openai", "openai-realtime", "huggingface", "grpc", "fallback(...)" */
  readonly id: string;
  /** Of an engine behind a network, known from the start on; it may change when its server does. */
  readonly version: string;
  readonly capabilities: Capabilities;
  /** @throws EarshotError rate_limited / unavailable where no more utterances can be taken */
  utterance(options: UtteranceOptions): Utterance;
  /** A leg has ended: sockets and decoders kept for it may go. */
  legEnded(call: CallId, leg: number): void;
  /** Of what stands on other engines: why it is not the best of them that answers. Absent or undefined = all is well, as far as it knows. */
  readonly fault?: string | undefined;
}

/** What the banner, `/api/v1/status` and the live page say about speech. */
export type SpeechStatus = { readonly engine: string; readonly usable: boolean; readonly reason: string; readonly remedy: string };
