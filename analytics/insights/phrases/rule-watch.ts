/** The phrase rules of one call: what was said, what was not said in time; each rule raises one alert per call at most. */
import type { PhraseRule } from "@earshot/proto/api/administration.ts";
import { compilePattern, findMatch, type Pattern } from "./pattern.ts";
import { type SegmentText, SpokenWords } from "./spoken-words.ts";

export type PhraseAlert = {
  readonly rule: PhraseRule;
  /** The phrase that was said, or the rule's first one where none was. */
  readonly phrase: string;
  readonly atMs: number;
  readonly leg: number;
  readonly evidence: readonly { readonly segmentId: string; readonly atSeconds: number }[];
};

export type SpeakerName = "agent" | "caller" | "mixed";

/** Compiled once per rule object: the rules of a tenant are shared by its calls. */
export class CompiledRules {
  #patterns = new WeakMap<PhraseRule, readonly { phrase: string; pattern: Pattern }[]>();
  readonly #maxGap: number;

  constructor(maxGap: number) {
    this.#maxGap = maxGap;
  }

  of(rule: PhraseRule): readonly { phrase: string; pattern: Pattern }[] {
    let compiled = this.#patterns.get(rule);
    if (compiled === undefined) {
      compiled = rule.phrases.flatMap((phrase) => {
        const pattern = compilePattern(phrase, this.#maxGap);
        return pattern === undefined ? [] : [{ phrase, pattern }];
      });
      this.#patterns.set(rule, compiled);
    }
    return compiled;
  }
}

export class RuleWatch {
  readonly #compiled: CompiledRules;
  readonly #spoken = new Map<number, SpokenWords>();
  readonly #raised = new Set<string>();
  /** Earliest time at which a `not_said` rule's phrase was said. */
  readonly #saidAtMs = new Map<string, number>();
  /** Rules that have listened since the call began: only they can know that something was not said. */
  #sinceStart: Set<string> | undefined;

  constructor(compiled: CompiledRules) {
    this.#compiled = compiled;
  }

  /** The rules in force when the call was first seen. */
  begin(rules: readonly PhraseRule[]): void {
    this.#sinceStart ??= new Set(rules.map((rule) => rule.id));
  }

  /** A final segment. Mixed speech (one stream for both sides) counts for either. @returns alerts of `said` rules */
  heard(segment: SegmentText, leg: number, speaker: SpeakerName, rules: readonly PhraseRule[]): PhraseAlert[] {
    let spoken = this.#spoken.get(leg);
    if (spoken === undefined) {
      spoken = new SpokenWords();
      this.#spoken.set(leg, spoken);
    }
    const firstNew = spoken.add(segment);
    const out: PhraseAlert[] = [];
    for (const rule of rules) {
      if (!rule.enabled || (rule.speaker !== "any" && speaker !== "mixed" && rule.speaker !== speaker)) continue;
      if (rule.kind === "said" && this.#raised.has(rule.id)) continue;
      for (const { phrase, pattern } of this.#compiled.of(rule)) {
        const match = findMatch(pattern, spoken.words, firstNew);
        if (match === undefined) continue;
        const atMs = Math.round(spoken.atMs[match.from]!);
        if (rule.kind === "not_said") {
          this.#saidAtMs.set(rule.id, Math.min(atMs, this.#saidAtMs.get(rule.id) ?? Number.POSITIVE_INFINITY));
          break;
        }
        this.#raised.add(rule.id);
        out.push({ rule, phrase, atMs, leg, evidence: evidenceOf(spoken, match.from, match.to) });
        break;
      }
    }
    return out;
  }

  /**
   * Which `not_said` rules are broken, `elapsedMs` after the call's start. A rule is judged once, `graceMs` after its time, because words that were
   * spoken in time are recognised a little later.
   * @param endedAtMs length of the call where it is over: a call shorter than the rule's time breaks nothing
   */
  overdue(rules: readonly PhraseRule[], elapsedMs: number, graceMs: number, endedAtMs: number | undefined): PhraseAlert[] {
    const out: PhraseAlert[] = [];
    for (const rule of rules) {
      if (!rule.enabled || rule.kind !== "not_said" || this.#raised.has(rule.id) || this.#sinceStart?.has(rule.id) !== true) continue;
      const limitMs = rule.withinSeconds * 1000;
      if (elapsedMs < limitMs + graceMs || (endedAtMs !== undefined && endedAtMs < limitMs)) continue;
      if ((this.#saidAtMs.get(rule.id) ?? Number.POSITIVE_INFINITY) <= limitMs) continue;
      this.#raised.add(rule.id);
      // Nothing was said that could be shown: there is a time, and no words.
      out.push({ rule, phrase: rule.phrases[0] ?? "", atMs: limitMs, leg: 0, evidence: [] });
    }
    return out;
  }

  /** Milliseconds after the call's start at which `overdue` should be asked next, having been asked at `judgedMs`; undefined = nothing is awaited. */
  nextDue(rules: readonly PhraseRule[], judgedMs: number, graceMs: number): number | undefined {
    let next: number | undefined;
    for (const rule of rules) {
      if (!rule.enabled || rule.kind !== "not_said" || this.#raised.has(rule.id) || this.#sinceStart?.has(rule.id) !== true) continue;
      const due = rule.withinSeconds * 1000 + graceMs;
      if (due > judgedMs && (next === undefined || due < next)) next = due;
    }
    return next;
  }
}

function evidenceOf(spoken: SpokenWords, from: number, to: number): { segmentId: string; atSeconds: number }[] {
  const out: { segmentId: string; atSeconds: number }[] = [];
  for (let i = from; i < to; i++) {
    const segmentId = spoken.segmentIds[i]!;
    if (out.at(-1)?.segmentId !== segmentId) out.push({ segmentId, atSeconds: spoken.atMs[i]! / 1000 });
  }
  return out;
}
