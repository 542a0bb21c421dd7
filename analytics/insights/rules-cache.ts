/** Each tenant's phrase rules, read again after a while: segments come many times a second, rules change once a week. */
import type { Clock } from "@earshot/platform/clock/clock.ts";
import type { Log } from "@earshot/platform/log/log.ts";
import type { PhraseRule } from "@earshot/proto/api/administration.ts";
import { type TenantId, tenantId } from "@earshot/proto/ids.ts";

type Entry = { rules: readonly PhraseRule[]; readAtMs: number; loading: Promise<void> | undefined };

export class RulesCache {
  readonly #rulesOf: (tenant: TenantId) => Promise<readonly PhraseRule[]>;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #refreshMs: number;
  readonly #entries = new Map<string, Entry>();

  constructor(rulesOf: (tenant: TenantId) => Promise<readonly PhraseRule[]>, clock: Clock, log: Log, refreshMs: number) {
    this.#rulesOf = rulesOf;
    this.#clock = clock;
    this.#log = log;
    this.#refreshMs = refreshMs;
  }

  /** The rules as they were last read; never waits. */
  known(tenant: string): readonly PhraseRule[] {
    return this.#entries.get(tenant)?.rules ?? [];
  }

  /** Reads the rules again where they are old. Where they cannot be read, the last ones stand: sentiment must not wait for the database. */
  async refresh(tenant: string): Promise<void> {
    let entry = this.#entries.get(tenant);
    if (entry === undefined) {
      entry = { rules: [], readAtMs: Number.NEGATIVE_INFINITY, loading: undefined };
      this.#entries.set(tenant, entry);
    }
    if (this.#clock.now() - entry.readAtMs < this.#refreshMs) return;
    entry.loading ??= this.#load(tenant, entry);
    const { loading } = entry;
    await loading;
    if (entry.loading === loading) entry.loading = undefined;
  }

  async #load(tenant: string, entry: Entry): Promise<void> {
    try {
      const fresh = await this.#rulesOf(tenantId(tenant));
      // The same object for an unchanged rule, so that its compiled patterns are found again.
      const before = new Map(entry.rules.map((rule) => [JSON.stringify(rule), rule]));
      entry.rules = fresh.map((rule) => before.get(JSON.stringify(rule)) ?? rule);
    } catch (err) {
      this.#log.warn({ err, tenantId: tenant }, "phrase rules could not be read; the last known ones stand");
    } finally {
      entry.readAtMs = this.#clock.now();
    }
  }
}
