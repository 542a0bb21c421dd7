/** What is known of one live call, and what follows from it: sentiment, alerts, attention, and the ledger's `insight` and `score`. */
import type { Clock } from "@earshot/platform/clock/clock.ts";
import type { PhraseRule } from "@earshot/proto/api/administration.ts";
import type { Event, EventInit, PayloadOf } from "@earshot/proto/event.ts";
import { topics } from "@earshot/proto/topics.ts";
import { type AttentionInput, type EvidenceAt, scoreAttention } from "./attention/score.ts";
import { type CompiledRules, type PhraseAlert, RuleWatch, type SpeakerName } from "./phrases/rule-watch.ts";
import { analyserName, analyserVersion, scoreText } from "./sentiment/analyser.ts";
import { MoodTrend } from "./sentiment/trend.ts";
import type { InsightsSettings } from "./settings.ts";

export type Outgoing = { readonly topic: string; readonly event: EventInit & { id: string } };

export type CallContext = {
  readonly clock: Clock;
  readonly settings: InsightsSettings;
  readonly compiled: CompiledRules;
  /** The rules to judge by when no event brings them: the tenant's newest. */
  rules(): readonly PhraseRule[];
  /** There is something in `outbox` that no event in hand will carry out. */
  ready(call: CallInsights): void;
  /** The call is over and its stages are told: forget it once `outbox` is out. */
  finished(call: CallInsights): void;
  alertRaised(severity: string): void;
  segmentOverLimit(): void;
};

/** Of `attentionReason.evidence`, and of the segments behind a mood: enough to look at, few enough to send each second. */
const maxEvidence = 3;
const recentSegments = 6;

type LegMood = { readonly trend: MoodTrend; recent: (EvidenceAt & { score: number })[] };
type RecognitionOutcome = EvidenceAt & { failed: boolean };

const speakerNames = ["mixed", "agent", "caller", "mixed"] as const;

export class CallInsights {
  readonly tenantId: string;
  readonly callId: string;
  readonly isOurs: () => boolean;
  /** Events to be published, in order; stays until they are. */
  outbox: Outgoing[] = [];
  lastActivityMs: number;
  readonly #context: CallContext;
  readonly #watch: RuleWatch;
  readonly #seen = new Map<string, number>();
  readonly #speakers = new Map<number, SpeakerName>();
  readonly #moods = new Map<number, LegMood>();
  readonly #lines = new Map<number, AttentionInput["lines"][number]>();
  readonly #alerts: AttentionInput["alerts"][number][] = [];
  #recognition: RecognitionOutcome[] = [];
  #conversation: AttentionInput["conversation"];
  #startedAtMs: number | undefined;
  #endedAtMs: number | undefined;
  /** Its stages have ended. Never so of words whose call's start is not known. */
  isTold = false;
  /** The pipeline has told all words: its last measures follow them. */
  #allSaid = false;
  #traceparent = "";
  #hasWords = false;
  #failedSegments = 0;
  #publishedKey: string | undefined;
  #publishedAtMs = Number.NEGATIVE_INFINITY;
  /** How far into the call `not_said` rules have been judged; -1 = not yet. */
  #judgedMs = -1;
  #timers = new Map<string, () => void>();

  /** @param isOurs false once another process may have the call */
  constructor(tenantId: string, callId: string, context: CallContext, isOurs: () => boolean) {
    this.tenantId = tenantId;
    this.callId = callId;
    this.isOurs = isOurs;
    this.#context = context;
    this.#watch = new RuleWatch(context.compiled);
    this.lastActivityMs = context.clock.now();
    this.#waitForEnd();
  }

  /** Takes one event of the call in. @param rules the tenant's phrase rules */
  take(event: Event, rules: readonly PhraseRule[]): void {
    this.lastActivityMs = this.#context.clock.now();
    if (event.traceparent !== "") this.#traceparent = event.traceparent;
    const { payload } = event;
    switch (payload.case) {
      case "callStarted":
        this.#started(payload.value.startedAtMs, rules);
        this.#learnLegs(payload.value.legs);
        break;
      case "callUpdated":
        this.#learnLegs(payload.value.legs);
        break;
      case "callEnded":
        if (payload.value.startedAtMs > 0) this.#started(payload.value.startedAtMs, rules);
        if (payload.value.legs.length > 0) this.#learnLegs(payload.value.legs);
        this.#endedAtMs ??= payload.value.endedAtMs;
        break;
      case "transcriptSegment":
        if (payload.value.final) this.#segment(payload.value, event.occurredAtMs, rules);
        break;
      case "conversationMetrics":
        this.#measured(payload.value);
        break;
      case "lineQuality":
        this.#lines.set(payload.value.leg, {
          leg: payload.value.leg,
          mos: payload.value.mos,
          silent: payload.value.silent,
          atMs: payload.value.fromMs,
        });
        break;
      default:
        return;
    }
    this.#attention();
    this.#waitForEnd();
  }

  /** After a restart: what had been published before is not published again. */
  recovered(published: ReadonlySet<string>, lastAttention: PayloadOf<"attention"> | undefined): void {
    this.outbox = this.outbox.filter(({ event }) => !published.has(event.id) && event.payload?.case !== "attention");
    this.#publishedKey =
      lastAttention === undefined
        ? undefined
        : keyOf({
            score: lastAttention.score,
            reasons: lastAttention.reasons,
            version: lastAttention.version,
          });
    this.#attention();
  }

  /** Ends its timers. */
  stop(): void {
    for (const cancel of this.#timers.values()) cancel();
    this.#timers.clear();
  }

  #started(startedAtMs: number, rules: readonly PhraseRule[]): void {
    if (this.#startedAtMs !== undefined) return;
    this.#startedAtMs = startedAtMs;
    this.#watch.begin(rules);
    this.#stage("score", "running", "", "");
    if (this.#hasWords) this.#stage("insight", "running", "", "");
    this.#awaitDue(rules);
  }

  #learnLegs(legs: readonly { index: number; speaker: number }[]): void {
    for (const leg of legs) this.#speakers.set(leg.index, speakerNames[leg.speaker] ?? "mixed");
  }

  #segment(segment: PayloadOf<"transcriptSegment">, occurredAtMs: number, rules: readonly PhraseRule[]): void {
    const known = this.#seen.get(segment.segmentId);
    if (known !== undefined && known >= segment.revision) return;
    if (known === undefined && this.#seen.size >= this.#context.settings.maxSegmentsPerCall) {
      this.#context.segmentOverLimit();
      return;
    }
    this.#seen.set(segment.segmentId, segment.revision);
    if (known === undefined && !this.#speakers.has(segment.leg)) this.#speakers.set(segment.leg, speakerNames[segment.speaker] ?? "mixed");
    const evidence = { segmentId: segment.segmentId, atSeconds: segment.startMs / 1000 };
    const failed = segment.error !== "";
    // A later revision is the second try at the same audio: its outcome replaces the first one's.
    this.#recognition = this.#recognition.filter((one) => one.segmentId !== segment.segmentId).slice(1 - 10);
    this.#recognition.push({ ...evidence, failed });
    if (failed) {
      this.#failedSegments++;
      return;
    }
    if (segment.text.trim() === "") return;
    // Words of a call whose stages are told already open none again.
    if (!this.#hasWords && this.#startedAtMs !== undefined) this.#stage("insight", "running", "", "");
    this.#hasWords = true;
    const score = Math.round(scoreText(segment.text) * 1000) / 1000;
    const mood = this.#mood(segment.leg);
    if (known === undefined) {
      mood.trend.add(score);
      mood.recent = [...mood.recent, { ...evidence, score }].slice(-recentSegments);
    }
    this.#emit(topics.insights.name, `sentiment-${segment.segmentId}-${segment.revision}`, occurredAtMs, {
      case: "sentiment",
      value: {
        segmentId: segment.segmentId,
        leg: segment.leg,
        score,
        trend: mood.trend.now,
        analyser: analyserName,
        analyserVersion,
        startMs: segment.startMs,
      },
    });
    const speaker = this.#speakers.get(segment.leg) ?? "mixed";
    for (const alert of this.#watch.heard(segment, segment.leg, speaker, rules)) this.#alert(alert, occurredAtMs);
  }

  #mood(leg: number): LegMood {
    let mood = this.#moods.get(leg);
    if (mood === undefined) {
      mood = { trend: new MoodTrend(), recent: [] };
      this.#moods.set(leg, mood);
    }
    return mood;
  }

  #alert({ rule, phrase, atMs, leg, evidence }: PhraseAlert, occurredAtMs: number): void {
    this.#alerts.push({ severity: rule.severity, name: rule.name, atMs, evidence: evidence.slice(0, maxEvidence) });
    this.#context.alertRaised(rule.severity);
    // One alert per rule and call: the id says so.
    const alertId = `${this.callId}-${rule.id}`;
    this.#emit(topics.insights.name, `alert-${alertId}`, occurredAtMs, {
      case: "alert",
      value: {
        alertId,
        ruleId: rule.id,
        ruleName: rule.name,
        kind: rule.kind,
        phrase,
        severity: rule.severity,
        atMs,
        leg,
        evidence: [...evidence],
      },
    });
  }

  #measured(metrics: PayloadOf<"conversationMetrics">): void {
    this.#allSaid ||= metrics.final;
    if (this.#conversation !== undefined && metrics.durationMs < this.#conversation.durationMs) return;
    this.#conversation = {
      durationMs: metrics.durationMs,
      overtalkMs: metrics.overtalkMs,
      interruptions: metrics.agentInterruptions + metrics.callerInterruptions,
      currentSilenceMs: metrics.final ? 0 : metrics.currentSilenceMs,
    };
  }

  #elapsedMs(): number {
    return this.#startedAtMs === undefined ? 0 : Math.max(0, (this.#endedAtMs ?? this.#context.clock.now()) - this.#startedAtMs);
  }

  /** Waits for the next `not_said` rule to fall due; by the clock, so that a quiet call is judged too. */
  #awaitDue(rules: readonly PhraseRule[]): void {
    if (this.#startedAtMs === undefined) return;
    const { clock, settings } = this.#context;
    const graceMs = settings.notSaidGraceMs;
    const elapsed = clock.now() - this.#startedAtMs;
    const due = this.#watch.nextDue(rules, this.#judgedMs, graceMs);
    if (due === undefined) return;
    // At least the grace from now: a start that is read late is followed by words that are read late.
    this.#timer("due", Math.max(due - elapsed, this.#judgedMs === -1 ? graceMs : 0), () => {
      this.#judge(false);
      this.#awaitDue(this.#context.rules());
      this.#attention();
      this.#context.ready(this);
    });
  }

  #judge(atEnd: boolean): void {
    if (this.#startedAtMs === undefined) return;
    const { clock, settings } = this.#context;
    const elapsed = clock.now() - this.#startedAtMs;
    this.#judgedMs = Math.max(this.#judgedMs, elapsed);
    const lengthMs = this.#endedAtMs === undefined ? undefined : this.#endedAtMs - this.#startedAtMs;
    for (const alert of this.#watch.overdue(this.#context.rules(), elapsed, atEnd ? 0 : settings.notSaidGraceMs, lengthMs))
      this.#alert(alert, this.#startedAtMs + alert.atMs);
  }

  /** Scores the call anew; publishes where the score or its reasons changed, and not more often than the interval allows. */
  #attention(force = false): void {
    if (this.#startedAtMs === undefined) return;
    const { clock, settings } = this.#context;
    const score = scoreAttention(this.#attentionInput());
    const key = keyOf(score);
    if (key === this.#publishedKey || (this.#publishedKey === undefined && score.score === 0)) {
      this.#cancelTimer("attention");
      return;
    }
    const waitMs = this.#publishedAtMs + settings.attentionIntervalMs - clock.now();
    if (waitMs > 0 && !force) {
      if (!this.#timers.has("attention"))
        this.#timer("attention", waitMs, () => {
          this.#attention();
          this.#context.ready(this);
        });
      return;
    }
    this.#cancelTimer("attention");
    this.#publishedKey = key;
    this.#publishedAtMs = clock.now();
    this.#emit(topics.insights.name, `attention-${this.callId}-${clock.now()}-${score.score}`, clock.now(), {
      case: "attention",
      value: {
        score: score.score,
        version: score.version,
        reasons: score.reasons.map((reason) => ({ ...reason, evidence: [...reason.evidence] })),
      },
    });
  }

  #attentionInput(): AttentionInput {
    // With no leg known to be the caller's, a mixed stream is the best there is.
    let legs = [...this.#moods].filter(([leg]) => this.#speakers.get(leg) === "caller");
    if (legs.length === 0) legs = [...this.#moods].filter(([leg]) => this.#speakers.get(leg) === "mixed");
    const moods = legs.map(([, mood]) => mood);
    const segments = moods.reduce((sum, mood) => sum + mood.trend.segments, 0);
    const mean = (value: (mood: LegMood) => number): number =>
      segments === 0 ? 0 : moods.reduce((sum, mood) => sum + value(mood) * mood.trend.segments, 0) / segments;
    const worst = moods
      .flatMap((mood) => mood.recent)
      .filter((one) => one.score < 0)
      .sort((a, b) => a.score - b.score)
      .slice(0, maxEvidence);
    const failures = this.#recognition.filter((one) => one.failed);
    return {
      durationMs: this.#elapsedMs(),
      caller: { mood: mean((mood) => mood.trend.now), change: mean((mood) => mood.trend.change), segments, worst },
      alerts: this.#alerts,
      conversation: this.#conversation,
      lines: [...this.#lines.values()],
      recognition: {
        segments: this.#recognition.length,
        failed: failures.length,
        failures: failures.slice(-maxEvidence).map(({ segmentId, atSeconds }) => ({ segmentId, atSeconds })),
      },
    };
  }

  /** The call's stages end a while after it has ended and all its words are told; without an end, when it is idle for very long. */
  #waitForEnd(): void {
    const { idleMs, endGraceMs, lateWordsMs } = this.#context.settings;
    // Words of a call whose start is not known: a straggler, or the start is yet to be read.
    const isOpen = this.#startedAtMs !== undefined && this.#endedAtMs === undefined;
    const awaitsWords = this.#startedAtMs !== undefined && !this.#allSaid;
    this.#timer("end", isOpen ? idleMs : awaitsWords ? Math.max(endGraceMs, lateWordsMs) : endGraceMs, () => this.#finish());
  }

  #finish(): void {
    if (this.#startedAtMs !== undefined) {
      this.#judge(true);
      if (this.#conversation !== undefined) this.#conversation = { ...this.#conversation, currentSilenceMs: 0 };
      this.#attention(true);
      if (this.#hasWords) this.#stage("insight", "done", `${this.#seen.size - this.#failedSegments} segments analysed`, "");
      else if (this.#failedSegments > 0)
        this.#stage("insight", "failed", "No segment of the call was recognised.", "Check the speech engine, then re-run the transcript.");
      else this.#stage("insight", "skipped", "Nothing was said, or no speech engine is set up.", "See EARSHOT_ASR.");
      this.#stage("score", "done", "", "");
      this.isTold = true;
    }
    this.stop();
    this.#context.finished(this);
  }

  #stage(stage: "insight" | "score", outcome: string, detail: string, remedy: string): void {
    this.#emit(topics.ledger.name, `ledger-${this.callId}-${stage}-${outcome}`, this.#context.clock.now(), {
      case: "stageReached",
      value: { stage, outcome, detail, remedy, startedAtMs: this.#startedAtMs ?? 0 },
    });
  }

  #emit(topic: string, id: string, occurredAtMs: number, payload: EventInit["payload"]): void {
    const { tenantId, callId } = this;
    this.outbox.push({ topic, event: { id, tenantId, callId, occurredAtMs, traceparent: this.#traceparent, payload } });
  }

  #timer(name: string, ms: number, callback: () => void): void {
    this.#cancelTimer(name);
    this.#timers.set(
      name,
      this.#context.clock.after(ms, () => {
        this.#timers.delete(name);
        callback();
      }),
    );
  }

  #cancelTimer(name: string): void {
    this.#timers.get(name)?.();
    this.#timers.delete(name);
  }
}

/** Two scores with one key say the same: labels follow the points, and a changed number of seconds alone is no news. */
function keyOf(score: {
  score: number;
  reasons: readonly { code: string; points: number; evidence: readonly { segmentId: string }[] }[];
  version: string;
}): string {
  const reasons = score.reasons.map((reason) => `${reason.code}:${reason.points}:${reason.evidence.map((one) => one.segmentId).join(",")}`);
  return `${score.version} ${score.score} ${reasons.join(" ")}`;
}
