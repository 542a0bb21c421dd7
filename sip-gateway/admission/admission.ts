/** Who may record how much: source to trunk to tenant, and the limits. Every refusal is an answer and a metric, and told by refusal-notices.ts. */
import type { Clock } from "@earshot/platform/clock/clock.ts";
import type { PeerAddress } from "../peers/gateway-peers.ts";
import type { SipHeaders, SipRequest, SipTransport } from "../signalling/port.ts";
import { SourceRate } from "../signalling/source-rate.ts";
import type { TrunkDirectory, TrunkMatch } from "./trunk-directory.ts";

export type Refusal = { readonly status: number; readonly reason?: string; readonly headers?: SipHeaders; readonly outcome: string };
/** A place held for the INVITE in hand: `keep` when the call is up, `release` (always, at the end) gives it back where it was not kept. */
export type Admitted = { readonly match: TrunkMatch; keep(): void; release(): void };
/** Another gateway that takes a call of this transport, where there is one. */
export type Elsewhere = (transport: SipTransport) => PeerAddress | undefined;
export type AdmissionLimits = { readonly maxCalls: number; readonly maxInvitesPerSecond: number; readonly retryAfterSeconds: number };

export class Admission {
  readonly #directory: TrunkDirectory;
  readonly #limits: AdmissionLimits;
  readonly #rate: SourceRate;
  readonly #elsewhere: Elsewhere;
  readonly #canRecord: () => boolean;
  readonly #callsOfTrunk = new Map<string, number>();
  #calls = 0;
  #draining = false;

  constructor(
    directory: TrunkDirectory,
    limits: AdmissionLimits,
    clock: Clock,
    elsewhere: Elsewhere = () => undefined,
    canRecord: () => boolean = () => true,
  ) {
    this.#directory = directory;
    this.#limits = limits;
    this.#elsewhere = elsewhere;
    this.#canRecord = canRecord;
    this.#rate = new SourceRate(clock, limits.maxInvitesPerSecond);
  }

  get draining(): boolean {
    return this.#draining;
  }

  /** Calls that could be taken now, all trunks together. */
  get room(): number {
    return Math.max(0, this.#limits.maxCalls - this.#calls);
  }

  /** From now on every INVITE is sent to another gateway, or answered 503. */
  drain(): void {
    this.#draining = true;
  }

  /** May this INVITE be looked at? Counts it against its source's rate; holds no place. */
  screen(request: SipRequest): Refusal | undefined {
    if (!this.#rate.take(request.peer.address)) return this.#unavailable("source_rate");
    const judged = this.#judge(request);
    return "status" in judged ? judged : undefined;
  }

  /** Holds a place for an INVITE that was screened. */
  admit(request: SipRequest): Admitted | Refusal {
    const judged = this.#judge(request);
    if ("status" in judged) return judged;
    const match = judged;
    const key = trunkKey(match);
    this.#calls++;
    this.#callsOfTrunk.set(key, (this.#callsOfTrunk.get(key) ?? 0) + 1);
    let held = true;
    return {
      match,
      keep: () => {
        held = false;
      },
      release: () => {
        if (held) this.leave(match);
        held = false;
      },
    };
  }

  #judge(request: SipRequest): TrunkMatch | Refusal {
    if (!this.#directory.known) return this.#unavailable(this.#draining ? "draining" : "no_settings");
    const match = this.#directory.match(request.peer, request.uri);
    if (match === undefined) return { status: 403, reason: "Unknown Recording Client", outcome: "unknown_source" };
    if (match.entry.settings.suspended) return { status: 403, reason: "Tenant Suspended", outcome: "suspended" };
    if (this.#draining) return this.#redirect(request, "draining");
    // What room there is left is for the calls that are up.
    if (!this.#canRecord()) return this.#redirect(request, "cannot_record", "Nothing Can Be Recorded Now");
    if (this.#calls >= this.#limits.maxCalls) return this.#redirect(request, "max_calls");
    const onTrunk = this.#callsOfTrunk.get(trunkKey(match)) ?? 0;
    if (match.trunk.maxCalls > 0 && onTrunk >= match.trunk.maxCalls) return this.#unavailable("trunk_max_calls");
    return match;
  }

  /** The call is over. */
  leave(match: TrunkMatch): void {
    this.#calls--;
    const key = trunkKey(match);
    const left = (this.#callsOfTrunk.get(key) ?? 1) - 1;
    if (left > 0) this.#callsOfTrunk.set(key, left);
    else this.#callsOfTrunk.delete(key);
  }

  /** RFC 3261 21.3.3: another gateway has room. The user part stays, because trunks may be told apart by it. */
  #redirect(request: SipRequest, outcome: string, reason?: string): Refusal {
    const { transport } = request.peer;
    const target = this.#elsewhere(transport);
    if (target === undefined) return this.#unavailable(outcome, reason);
    const { user } = request.uri;
    const host = target.address.includes(":") ? `[${target.address}]` : target.address;
    const scheme = transport === "tls" ? "sips" : "sip";
    const contact = `<${scheme}:${user === "" ? "" : `${user}@`}${host}:${target.port}${transport === "tcp" ? ";transport=tcp" : ""}>`;
    return { status: 302, headers: [["Contact", contact]], outcome: `redirected_${outcome}` };
  }

  #unavailable(outcome: string, reason?: string): Refusal {
    const headers: SipHeaders = [["Retry-After", String(this.#limits.retryAfterSeconds)]];
    return { status: 503, ...(reason === undefined ? {} : { reason }), headers, outcome };
  }
}

const trunkKey = (match: TrunkMatch): string => `${match.entry.tenant}|${match.trunk.id}`;
