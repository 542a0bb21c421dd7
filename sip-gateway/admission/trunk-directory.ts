/** Which tenant's trunk a session belongs to, from the newest settings of every tenant. */
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
};

const lowered = (values: readonly string[]): ReadonlySet<string> => new Set(values.map((value) => value.trim().toLowerCase()));

export class TrunkDirectory {
  readonly #tenants = new Map<string, TenantEntry>();
  #rules: Rule[] = [];

  /** At least one tenant's settings are known. */
  get known(): boolean {
    return this.#tenants.size > 0;
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
  }

  /**
   * The most specific trunk that admits the session. A trunk admits by where it comes from (a network or a TLS peer, where it names any)
   * and by what it asks for (user or host of the request URI, where it names any). A trunk that names nothing admits nobody.
   */
  match(peer: SipPeer, uri: SipUri): TrunkMatch | undefined {
    let best: Rule | undefined;
    let bestScore = -1;
    for (const one of this.#rules) {
      const score = scoreOf(one, peer, uri);
      if (score > bestScore) {
        best = one;
        bestScore = score;
      }
    }
    return best;
  }
}

function rule(entry: TenantEntry, trunk: Trunk): Rule {
  const networks = trunk.sourceNetworks.map(readNetwork).filter((network) => network !== undefined);
  return {
    entry,
    trunk,
    networks,
    tlsPeers: lowered(trunk.tlsPeers),
    users: lowered(trunk.requestUsers),
    hosts: lowered(trunk.requestHosts),
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
