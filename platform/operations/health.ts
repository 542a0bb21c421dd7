/** What a process says of itself: each part it stands on, and whether the whole serves. */

/** degraded: it goes on, but something is late, held back or missing. down: what depends on it does not work. */
export type PartState = "up" | "degraded" | "down";

export type PartHealth = {
  /** The name people know it by: "event log", "SIP". */
  readonly part: string;
  readonly state: PartState;
  /** What is wrong and since what, or what is known to be slower; empty where all is well. Never words spoken, numbers or secrets. */
  readonly detail: string;
};

/** The answer of `/readyz`. */
export type Readiness = { readonly ready: boolean; readonly reasons: readonly string[]; readonly parts: readonly PartHealth[] };

/** A process serves while no part of it is down; a degraded one is named and keeps serving. */
export function readinessOf(parts: readonly PartHealth[]): Readiness {
  const wrong = parts.filter(({ state }) => state !== "up");
  return {
    ready: wrong.every(({ state }) => state !== "down"),
    reasons: wrong.map(({ part, state, detail }) => `${part} is ${state}${detail === "" ? "" : `: ${detail}`}`),
    parts,
  };
}
