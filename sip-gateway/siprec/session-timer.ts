/** Session timers (RFC 4028): what is agreed, when we refresh, when we give up. */
import type { Clock } from "@earshot/platform/clock/clock.ts";
import type { SipHeaders, SipMessage, SipResponse } from "../signalling/port.ts";
import { splitList } from "../signalling/tokens.ts";

export type SessionTimerTerms = { readonly seconds: number; readonly refresher: "us" | "peer" };
export type SessionTimerOffer =
  | { readonly kind: "agreed"; readonly terms: SessionTimerTerms; readonly headers: SipHeaders }
  | { readonly kind: "none" }
  | { readonly kind: "too-small"; readonly headers: SipHeaders };

export type SessionTimerLimits = { readonly minSessionSeconds: number; readonly sessionSeconds: number };

/** No Session-Expires may be less (RFC 4028 4); where one is, nobody can mean it. */
const leastSeconds = 90;
/** What is asked beyond it is lowered, which a UAS may do (RFC 4028 9) down to the request's Min-SE. */
const mostSeconds = 86_400;

/**
 * Terms for a request (INVITE, re-INVITE, UPDATE) from the peer, with the headers of our 2xx. The interval is never raised, except to
 * the 90 seconds that are the least there can be.
 */
export function negotiateSessionTimer(request: SipMessage, limits: SessionTimerLimits): SessionTimerOffer {
  const supported = hasToken(request, "supported", "timer") || hasToken(request, "require", "timer");
  const given = readSessionExpires(request.header("session-expires"));
  const minSe = readSessionExpires(request.header("min-se"))?.seconds ?? 0;
  if (given === undefined) {
    // A session timer is ours to offer; with a peer that bears none of a sane length there is none.
    if (!supported || minSe > mostSeconds) return { kind: "none" };
    return agreed(Math.max(limits.sessionSeconds, limits.minSessionSeconds, minSe), "peer");
  }
  // A client that does not know 422 could do nothing with it.
  if (given.seconds < limits.minSessionSeconds && supported)
    return { kind: "too-small", headers: [["Min-SE", String(limits.minSessionSeconds)]] };
  return agreed(between(leastSeconds, given.seconds, Math.max(mostSeconds, minSe)), supported && given.refresher !== "uas" ? "peer" : "us");
}

function agreed(seconds: number, refresher: SessionTimerTerms["refresher"]): SessionTimerOffer {
  const headers: [string, string][] = [["Session-Expires", `${seconds};refresher=${refresher === "peer" ? "uac" : "uas"}`]];
  if (refresher === "peer") headers.push(["Require", "timer"]);
  return { kind: "agreed", terms: { seconds, refresher }, headers };
}

/** Terms after a refresh of ours was answered 2xx; there we are the UAC. */
export function termsOfAnswer(response: SipResponse, asked: SessionTimerTerms): SessionTimerTerms | undefined {
  const given = readSessionExpires(response.header("session-expires"));
  if (given === undefined) return undefined;
  return { seconds: between(leastSeconds, given.seconds, asked.seconds), refresher: given.refresher === "uas" ? "peer" : "us" };
}

const between = (least: number, value: number, most: number): number => Math.max(least, Math.min(value, most));

/** delta-seconds (RFC 3261 25.1) are below 2^32; a longer number is taken for the largest. */
export function readSessionExpires(value: string | undefined): { seconds: number; refresher: "uac" | "uas" | undefined } | undefined {
  const match = /^(\d{1,100})\s*(;.*)?$/.exec(value?.trim() ?? "");
  if (match === null) return undefined;
  const refresher = /;\s*refresher\s*=\s*(uac|uas)\b/i.exec(match[2] ?? "")?.[1]?.toLowerCase();
  return { seconds: Math.min(Number(match[1]), 2 ** 32 - 1), refresher: refresher as "uac" | "uas" | undefined };
}

/** Is the option tag in any line of that header? */
export function hasToken(message: SipMessage, header: string, token: string): boolean {
  return message.headers(header).some((line) => splitList(line).some((item) => item.toLowerCase() === token));
}

/** Runs the agreed timer: calls back to refresh at half the interval, or to end early by min(32 s, a third of it) (RFC 4028 10). */
export class SessionTimer {
  #cancel = () => {};
  readonly #clock: Clock;
  readonly #onRefresh: (terms: SessionTimerTerms) => void;
  readonly #onExpired: () => void;

  constructor(clock: Clock, onRefresh: (terms: SessionTimerTerms) => void, onExpired: () => void) {
    this.#clock = clock;
    this.#onRefresh = onRefresh;
    this.#onExpired = onExpired;
  }

  /** Starts over; undefined = no timer any more. */
  restart(terms: SessionTimerTerms | undefined): void {
    this.#cancel();
    if (terms === undefined) {
      this.#cancel = () => {};
      return;
    }
    const intervalMs = terms.seconds * 1000;
    if (terms.refresher === "us") this.#cancel = this.#clock.after(intervalMs / 2, () => this.#onRefresh(terms));
    else this.#cancel = this.#clock.after(intervalMs - Math.min(32_000, intervalMs / 3), () => this.#onExpired());
  }

  stop(): void {
    this.#cancel();
    this.#cancel = () => {};
  }
}
