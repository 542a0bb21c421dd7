/**
 * What refused INVITEs leave for the administrator: an event and a log line per source and cause in a minute, which say how often it was, and no more
 * of them than a rate. The answers and the metric go on.
 */
import type { Clock } from "@earshot/platform/clock/clock.ts";
import type { Log } from "@earshot/platform/log/log.ts";
import type { CallEvents } from "../events/call-events.ts";
import type { SipRequest } from "../signalling/port.ts";
import { SourceRate } from "../signalling/source-rate.ts";
import type { Refusal } from "./admission.ts";
import type { TrunkDirectory } from "./trunk-directory.ts";

const againAfterMs = 60_000;
/** Sources and causes remembered; past it the one told first is forgotten. */
const remembered = 10_000;

/**
 * By outcome: why, where the answer's own words do not say it, and what an administrator can do. What is not named here is an answer of the
 * protocol's, with which the client goes on: 302, 422.
 */
const causes: Readonly<Record<string, { readonly why?: string; readonly remedy: string }>> = {
  unknown_source: { why: "unknown source", remedy: "To admit it, add its address to the source networks of a trunk (Settings, Trunks)." },
  suspended: { why: "tenant suspended", remedy: "Its calls are taken again when the tenant is no longer suspended." },
  source_rate: { why: "too many INVITEs per second", remedy: "Slow the client down, or raise EARSHOT_SIP_MAX_INVITES_PER_SECOND." },
  draining: { why: "the gateway shuts down", remedy: "Nothing, where it starts again; further gateways take its calls meanwhile." },
  cannot_record: {
    why: "nothing can be recorded now",
    remedy: "Free disk space under EARSHOT_DATA_DIR and bring the event log back: see Status.",
  },
  max_calls: { why: "the gateway is full", remedy: "Add a gateway, or raise EARSHOT_SIP_MAX_CALLS." },
  trunk_max_calls: { why: "the trunk has as many calls as it may", remedy: "Raise “Calls at once” of the trunk." },
  bad_extension: { why: "it requires a SIP extension that is not known here", remedy: "Take it out of Require at the client." },
  not_siprec: { why: "it is no recording session", remedy: "Send SIPREC, or let the trunk take sessions that lack its tags." },
  no_metadata: { remedy: "Let the client send recording metadata, or the trunk take calls without it." },
  no_offer: { remedy: "Let the client send its offer in the INVITE." },
  malformed: { why: "its body cannot be read", remedy: "Look at the SDP and the metadata that the client sends." },
  invalid_request: {
    why: "nothing of its offer can be recorded",
    remedy: "Offer PCMA, PCMU, G.722, L16 or Opus, with SRTP where the trunk wants it.",
  },
  unavailable: { why: "nothing is free for it", remedy: "Widen EARSHOT_RTP_PORTS, and look at Status." },
  bug: { why: "it could not be handled", remedy: "The gateway's log has the error." },
};

export type RefusalNoticesOptions = {
  readonly directory: TrunkDirectory;
  readonly events: CallEvents;
  readonly log: Log;
  readonly clock: Clock;
  /** Of one tenant's sources, and of all strangers together. */
  readonly perSecond: number;
};

export class RefusalNotices {
  readonly #options: RefusalNoticesOptions;
  readonly #rate: SourceRate;
  readonly #seen = new Map<string, { toldAtMs: number; untold: number }>();

  constructor(options: RefusalNoticesOptions) {
    this.#options = options;
    this.#rate = new SourceRate(options.clock, options.perSecond);
  }

  /** What a trunk's source is refused is its tenant's to see; an unknown source is nobody's, and a suspended tenant has nobody to see it. */
  tell(request: SipRequest, { status, reason, outcome }: Refusal): void {
    const cause = causes[outcome];
    const { directory, events, log, clock } = this.#options;
    if (cause === undefined || !directory.known) return;
    const { address, transport } = request.peer;
    const key = `${address}|${outcome}`;
    const seen = this.#seen.get(key) ?? { toldAtMs: Number.NEGATIVE_INFINITY, untold: 0 };
    seen.untold++;
    this.#seen.set(key, seen);
    if (this.#seen.size > remembered) this.#seen.delete(this.#seen.keys().next().value!);
    const nowMs = clock.monotonicMs();
    if (nowMs - seen.toldAtMs < againAfterMs) return;
    const match = directory.match(request.peer, request.uri);
    // A stranger's own refusal is the one that is mended by a trunk.
    if (match === undefined && outcome !== "unknown_source") return;
    const tenant = match === undefined || match.entry.settings.suspended ? "" : match.entry.tenant;
    if (!this.#rate.take(tenant)) return;
    const times = seen.untold;
    this.#seen.delete(key);
    this.#seen.set(key, { toldAtMs: nowMs, untold: 0 });
    const why = (outcome === "malformed" || outcome === "invalid_request" ? reason : undefined) ?? cause.why ?? reason ?? outcome;
    const remedy = outcome === "unknown_source" ? cause.remedy.replace("its address", address) : cause.remedy;
    const told = { reason: why.slice(0, 200), remedy, status };
    log.warn({ peer: address, transport, ...told, tenantId: tenant, times }, "An INVITE was refused");
    const atMs = clock.now();
    events.refused(tenant, address, `refused-${address}-${outcome}-${Math.floor(atMs)}`, atMs, {
      case: "inviteRefused",
      value: {
        sourceAddress: address,
        transport,
        requestUri: request.uri.raw.slice(0, 500),
        userAgent: (request.header("user-agent") ?? "").slice(0, 200),
        ...told,
        times,
        trunkName: match?.trunk.name ?? "",
      },
    });
  }
}
