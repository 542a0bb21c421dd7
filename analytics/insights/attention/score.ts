/** The attention score of a live call: fixed weights (weights.ts), every point with its reason and its evidence. */
import { attentionVersion, ramp, attentionWeights as weights } from "./weights.ts";

export type EvidenceAt = { readonly segmentId: string; readonly atSeconds: number };
export type Reason = { readonly code: string; readonly label: string; readonly points: number; readonly evidence: readonly EvidenceAt[] };
export type AttentionScore = { readonly score: number; readonly reasons: readonly Reason[]; readonly version: string };

/** What is known of a call. Absent = nothing heard of it yet. */
export type AttentionInput = {
  readonly durationMs: number;
  /** Over all legs on the caller's side. */
  readonly caller?: {
    readonly mood: number;
    readonly change: number;
    readonly segments: number;
    /** The worst of the last segments, worst first. */
    readonly worst: readonly (EvidenceAt & { readonly score: number })[];
  };
  readonly alerts: readonly {
    readonly severity: "info" | "warning" | "critical";
    readonly name: string;
    /** When it was raised: where it stands on no words. */
    readonly atMs: number;
    readonly evidence: readonly EvidenceAt[];
  }[];
  readonly conversation?: {
    readonly durationMs: number;
    readonly overtalkMs: number;
    readonly interruptions: number;
    readonly currentSilenceMs: number;
  };
  readonly lines: readonly { readonly leg: number; readonly mos: number; readonly silent: boolean; readonly atMs: number }[];
  readonly recognition: { readonly segments: number; readonly failed: number; readonly failures: readonly EvidenceAt[] };
};

const seconds = (ms: number): number => Math.round(ms / 100) / 10;
const at = (ms: number): EvidenceAt[] => [{ segmentId: "", atSeconds: seconds(ms) }];

/** @returns 0..100, reasons with the most points first; points are rounded to whole ones, and reasons without any are left out */
export function scoreAttention(input: AttentionInput): AttentionScore {
  const reasons: Reason[] = [];
  const add = (code: string, points: number, label: string, evidence: readonly EvidenceAt[]): void => {
    const rounded = Math.round(points);
    if (rounded > 0) reasons.push({ code, label, points: rounded, evidence });
  };
  const { caller, conversation } = input;
  if (caller !== undefined && caller.segments > 0) {
    const evidence = caller.worst.map(({ segmentId, atSeconds }) => ({ segmentId, atSeconds }));
    add("caller_negative", ramp(caller.mood, weights.caller_negative), `Caller unhappy (${caller.mood.toFixed(2)})`, evidence);
    if (caller.segments >= weights.caller_falling.minSegments)
      add("caller_falling", ramp(caller.change, weights.caller_falling), `Caller's mood falling (${caller.change.toFixed(2)})`, evidence);
  }

  let alertPoints = 0;
  for (const alert of input.alerts) {
    const points = Math.min(weights.alert[alert.severity], weights.alert.most - alertPoints);
    alertPoints += Math.max(0, points);
    add("alert", points, `Alert: ${alert.name}`, alert.evidence.length > 0 ? alert.evidence : at(alert.atMs));
  }

  if (conversation !== undefined) {
    const { durationMs } = conversation;
    if (durationMs >= weights.overtalk.minMs) {
      const share = conversation.overtalkMs / durationMs;
      add("overtalk", ramp(share, weights.overtalk), `Both speaking ${Math.round(share * 100)} % of the time`, at(durationMs));
    }
    if (durationMs >= weights.interruptions.minMs) {
      const rate = conversation.interruptions / (durationMs / 60_000);
      add("interruptions", ramp(rate, weights.interruptions), `${rate.toFixed(1)} interruptions a minute`, at(durationMs));
    }
    const silence = conversation.currentSilenceMs / 1000;
    add(
      "long_silence",
      ramp(silence, weights.long_silence),
      `Silence for ${Math.round(silence)} s`,
      at(durationMs - conversation.currentSilenceMs),
    );
  }

  const heard = input.lines.filter((line) => !line.silent && line.mos > 0);
  const worst = heard.reduce<(typeof heard)[number] | undefined>((a, b) => (a === undefined || b.mos < a.mos ? b : a), undefined);
  if (worst !== undefined) add("bad_line", ramp(worst.mos, weights.bad_line), `Bad line (MOS ${worst.mos.toFixed(1)})`, at(worst.atMs));
  const mute = input.lines.find((line) => line.silent);
  if (mute !== undefined) add("one_way_audio", weights.one_way_audio.points, "One side is not heard at all", at(mute.atMs));

  const minutes = input.durationMs / 60_000;
  add("long_duration", ramp(minutes, weights.long_duration), `On the phone for ${Math.round(minutes)} min`, at(input.durationMs));

  const { segments, failed, failures } = input.recognition;
  if (segments >= weights.not_recognised.minSegments)
    add(
      "not_recognised",
      ramp(failed / segments, weights.not_recognised),
      `${failed} of the last ${segments} segments not recognised`,
      failures,
    );

  reasons.sort((a, b) => b.points - a.points);
  const sum = reasons.reduce((total, reason) => total + reason.points, 0);
  return { score: Math.min(100, sum), reasons, version: attentionVersion };
}
