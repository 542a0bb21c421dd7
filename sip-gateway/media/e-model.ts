/** Listening quality from loss and delay: the reduced E-model (ITU-T G.107, impairments after G.113 appendix I). */

export type Impairment = {
  /** Equipment impairment without loss. */
  readonly ie: number;
  /** Robustness against packet loss. */
  readonly bpl: number;
};

/** What each codec takes away. `assumed` where G.113 has no value: said wherever the number is shown. */
export const impairments = {
  // Our own pipeline conceals lost frames, as any telephone does.
  g711: { ie: 0, bpl: 25.1 },
  g711WithoutConcealment: { ie: 0, bpl: 4.3 },
  g729a: { ie: 11, bpl: 19 },
} as const satisfies Record<string, Impairment>;

/**
 * The impairment that is reckoned with for a codec. Wideband has its own scale (G.107.1, up to R = 129), which no one compares narrowband
 * lines by: G.722 and Opus are put on the narrowband scale as if they were clean G.711 with concealment, so their figure reflects loss and
 * delay only.
 */
export function impairmentOf(encoding: string): { impairment: Impairment; assumed: boolean } {
  const assumed = encoding !== "PCMA" && encoding !== "PCMU" && encoding !== "L16";
  return { impairment: impairments.g711, assumed };
}

/**
 * @param lossPercent packets that were not there when needed, 0..100
 * @param burstRatio mean run of losses over that of random loss; below 1 (losses spread out) counts as random
 * @param delayMs one way
 */
export function rFactor(impairment: Impairment, lossPercent: number, burstRatio: number, delayMs: number): number {
  const { ie, bpl } = impairment;
  const delay = 0.024 * delayMs + (delayMs > 177.3 ? 0.11 * (delayMs - 177.3) : 0);
  const loss = ie + ((95 - ie) * lossPercent) / (lossPercent / Math.max(1, burstRatio) + bpl);
  return 93.2 - delay - loss;
}

/** G.107 annex B: 1 below R = 6.5, where the cubic would fall under 1; 4.5 above 100. */
export function mosOf(r: number): number {
  if (r < 6.5) return 1;
  if (r > 100) return 4.5;
  return 1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6;
}
