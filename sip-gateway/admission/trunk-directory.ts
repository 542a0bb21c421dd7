/** Which tenant's trunk a session belongs to, from the newest settings of every tenant. */

import type { Log } from "@earshot/platform/log/log.ts";
import type { Extension, TenantSettings, Trunk } from "@earshot/proto/gen/earshot/v1/events_pb.js";
import { type TenantId, tenantId } from "@earshot/proto/ids.ts";
import type { SipPeer, SipUri } from "../signalling/port.ts";
import { type Network, readNetwork } from "./network.ts";

export type TenantEntry = {
  readonly tenant: TenantId;
  readonly settings: TenantSettings;
  readonly extensions: ReadonlyMap<string, Extension>;
};
export type TrunkMatch = { readonly entry: TenantEntry; readonly trunk: Trunk };

type Rule = TrunkMatch & {
  readonly networks: readonly Network[];
  readonly tlsPeers: ReadonlySet<string>;
  readonly users: ReadonlySet<string>;
  readonly hosts: ReadonlySet<string>;
  /** Unix milliseconds; where it is not known, later than any. */
  readonly since: number;
};
type Scored = { readonly rule: Rule; readonly score: number };

const lowered = (values: readonly string[]): ReadonlySet<string> => new Set(values.map((value) => value.trim().toLowerCase()));

/** One log line for each pair of trunks that meet; beyond it none. */
const maxConflictsNoted = 1000;

export class TrunkDirectory {
  readonly #log: Log;
  readonly #tenants = new Map<string, TenantEntry>();
  #rules: Rule[] = [];
  #isComplete = false;
  readonly #conflictsNoted = new Set<string>();
  readonly #withoutTlsNames: string | undefined;
  readonly #blindTrunksNoted = new Set<string>();

  /** @param withoutTlsNames why no peer is ever known by its certificate; undefined where it is */
  constructor(log: Log, withoutTlsNames?: string) {
    this.#log = log;
    this.#withoutTlsNames = withoutTlsNames;
  }

  /** The settings of every tenant there was at the start are known, and there is one. */
  get known(): boolean {
    return this.#isComplete && this.#tenants.size > 0;
  }

  /** All that was published before the start has been applied: from now on a source that no trunk names is a stranger. */
  complete(): void {
    this.#isComplete = true;
  }

  tenant(tenant: TenantId): TenantEntry | undefined {
    return this.#tenants.get(tenant);
  }

  /** The newest version of a tenant wins, in whatever order they come. */
  apply(tenant: string, settings: TenantSettings): void {
    const known = this.#tenants.get(tenant);
    if (known !== undefined && known.settings.version > settings.version) return;
    const extensions = new Map(settings.extensions.map((extension) => [extension.number.trim().toLowerCase(), extension]));
    this.#tenants.set(tenant, { tenant: tenantId(tenant), settings, extensions });
    this.#rules = [...this.#tenants.values()].flatMap((entry) =>
      entry.settings.trunks.filter((trunk) => trunk.enabled).map((trunk) => rule(entry, trunk)),
    );
    this.#conflictsNoted.clear();
    if (this.#withoutTlsNames !== undefined) this.#noteBlindTrunks(tenant, settings.trunks, this.#withoutTlsNames);
  }

  /** Says once of each trunk that it is to be told by a certificate, which cannot be. */
  #noteBlindTrunks(tenant: string, trunks: readonly Trunk[], cause: string): void {
    for (const { id, name, enabled, tlsPeers, sourceNetworks } of trunks) {
      const key = `${tenant}|${id}`;
      if (!enabled || tlsPeers.length === 0 || this.#blindTrunksNoted.has(key)) continue;
      this.#blindTrunksNoted.add(key);
      const effect = sourceNetworks.length === 0 ? "it admits nobody" : "it admits by its source networks alone";
      const remedy = "Name its source networks; trunks that share one are told apart by their request users or hosts.";
      this.#log.warn({ tenantId: tenant, trunkId: id, trunk: name, cause, effect, remedy }, "The TLS peers of a trunk cannot be told");
    }
  }

  /**
   * The trunk that admits the session. Of one tenant's it is the most specific. Where trunks of several tenants admit it, the tenant whose
   * claim is the oldest has it, however specific the others are: nobody takes a source from someone by claiming it once more. A trunk admits by where it comes from (a network or a TLS peer, where it names any)
   * and by what it asks for (user or host of the request URI, where it names any). A trunk that names nothing admits nobody.
   */
  match(peer: SipPeer, uri: SipUri): TrunkMatch | undefined {
    const admitting: Scored[] = [];
    for (const one of this.#rules) {
      const score = scoreOf(one, peer, uri);
      if (score >= 0) admitting.push({ rule: one, score });
    }
    const [first] = admitting;
    if (first === undefined || admitting.length === 1) return first?.rule;
    if (admitting.every(({ rule }) => rule.entry === first.rule.entry)) return best(admitting, bySpecificity).rule;
    const { entry } = best(admitting, byAge).rule;
    const chosen = best(
      admitting.filter(({ rule }) => rule.entry === entry),
      bySpecificity,
    ).rule;
    for (const { rule } of admitting) if (rule.entry !== entry) this.#noteConflict(chosen, rule, peer);
    return chosen;
  }

  #noteConflict(winner: Rule, loser: Rule, peer: SipPeer): void {
    const key = [winner, loser].map(({ entry, trunk }) => `${entry.tenant}|${trunk.id}`).join("|");
    if (this.#conflictsNoted.has(key) || this.#conflictsNoted.size >= maxConflictsNoted) return;
    this.#conflictsNoted.add(key);
    this.#log.warn(
      {
        tenantId: winner.entry.tenant,
        trunkId: winner.trunk.id,
        otherTenantId: loser.entry.tenant,
        otherTrunkId: loser.trunk.id,
        peer: peer.address,
        remedy: "Let one of the trunks no longer claim it, or let each name the request users or hosts that are its own.",
      },
      "Trunks of two tenants claim the same source; the older claim has it",
    );
  }
}

type Order = (a: Scored, b: Scored) => number;
const best = (scored: readonly Scored[], order: Order): Scored => scored.reduce((a, b) => (order(b, a) < 0 ? b : a));
const identity = ({ rule: { entry, trunk } }: Scored): string => `${entry.tenant}|${trunk.id}`;
const byIdentity: Order = (a, b) => (identity(a) < identity(b) ? -1 : 1);
/** Two that are not known are Infinity, whose difference is no number. */
const bySince: Order = (a, b) => (a.rule.since === b.rule.since ? 0 : a.rule.since - b.rule.since);
const bySpecificity: Order = (a, b) => b.score - a.score || bySince(a, b) || byIdentity(a, b);
const byAge: Order = (a, b) => bySince(a, b) || b.score - a.score || byIdentity(a, b);

function rule(entry: TenantEntry, trunk: Trunk): Rule {
  const networks = trunk.sourceNetworks.map(readNetwork).filter((network) => network !== undefined);
  return {
    entry,
    trunk,
    networks,
    tlsPeers: lowered(trunk.tlsPeers),
    users: lowered(trunk.requestUsers),
    hosts: lowered(trunk.requestHosts),
    since: trunk.createdAtMs > 0 ? trunk.createdAtMs : Number.POSITIVE_INFINITY,
  };
}

/** -1 = not admitted. A TLS peer outweighs a network, a user outweighs a host, a narrow network outweighs a wide one. */
function scoreOf(rule: Rule, peer: SipPeer, uri: SipUri): number {
  const bySource = rule.networks.length > 0 || rule.tlsPeers.size > 0;
  const byTarget = rule.users.size > 0 || rule.hosts.size > 0;
  if (!bySource && !byTarget) return -1;
  const prefix = Math.max(-1, ...rule.networks.filter((network) => network.contains(peer.address)).map((network) => network.prefix));
  const tls = peer.tlsNames.some((name) => rule.tlsPeers.has(name));
  if (bySource && prefix < 0 && !tls) return -1;
  const user = rule.users.has(uri.user.toLowerCase());
  const host = rule.hosts.has(uri.host);
  if (byTarget && !user && !host) return -1;
  return (tls ? 4096 : 0) + (user ? 2048 : 0) + (host ? 1024 : 0) + prefix + 1;
}
