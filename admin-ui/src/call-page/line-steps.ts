import type { LineQuality } from "@earshot/proto/api/calls.ts";

/** What one step of the line chart shows: a measure, or for a long call the worst of several in a row. */
export interface LineStep {
  fromMs: number;
  toMs: number;
  worst: LineQuality;
}

/** The measures of one leg, in order of time, in at most `most` steps of equally many: the worst of each stands, or it would be hidden by its neighbours. */
export function lineSteps(points: readonly LineQuality[], most: number): LineStep[] {
  const each = Math.max(1, Math.ceil(points.length / most));
  const steps: LineStep[] = [];
  for (let from = 0; from < points.length; from += each) {
    const group = points.slice(from, from + each);
    const worst = group.reduce((least, point) => (point.mos < least.mos ? point : least));
    steps.push({ fromMs: group[0]?.fromMs ?? 0, toMs: group.at(-1)?.toMs ?? 0, worst });
  }
  return steps;
}
