/** A CallStore in memory, for tests of what stands on one: it keeps what it is told to and filters by tenant, no more. */
import type { CallDetail, LedgerStage, Segment } from "@earshot/proto/api/calls.ts";
import type { Event } from "@earshot/proto/event.ts";
import type { TenantId } from "@earshot/proto/ids.ts";
import type { CallStore, StoredRecording } from "../../store/port.ts";

type Kept = { detail: CallDetail; segments: Segment[]; ledger: LedgerStage[]; recording: StoredRecording | undefined };

export class MemoryCallStore implements CallStore {
  readonly name = "memory-call-store";
  readonly #calls = new Map<string, Kept>();
  readonly written: Event[] = [];

  keep(tenant: TenantId, kept: Partial<Kept> & { detail: CallDetail }): void {
    this.#calls.set(`${tenant}/${kept.detail.id}`, { segments: [], ledger: [], recording: undefined, ...kept });
  }

  async start(): Promise<void> {}
  async stop(): Promise<void> {}
  async write(events: readonly Event[]): Promise<void> {
    this.written.push(...events);
  }
  release(): void {}
  async listCalls(tenant: TenantId) {
    const data = this.#of(tenant).map(({ detail }) => detail);
    return { data, total: data.length };
  }
  async statistics(tenant: TenantId) {
    const calls = this.#of(tenant).length;
    return { calls, totalDurationMs: 0, meanDurationMs: null, meanCallerSentiment: null, meanMos: null, withAlerts: 0, perDay: [] };
  }
  async getCall(tenant: TenantId, id: string) {
    return this.#calls.get(`${tenant}/${id}`)?.detail;
  }
  async transcript(tenant: TenantId, id: string) {
    return this.#calls.get(`${tenant}/${id}`)?.segments ?? [];
  }
  async ledger(tenant: TenantId, id: string) {
    return this.#calls.get(`${tenant}/${id}`)?.ledger ?? [];
  }
  async recording(tenant: TenantId, id: string) {
    return this.#calls.get(`${tenant}/${id}`)?.recording;
  }
  async facets(tenant: TenantId) {
    return { agents: this.#of(tenant).map(({ detail }) => detail.agent), queues: [], terminations: [] };
  }

  #of(tenant: TenantId): Kept[] {
    return [...this.#calls].filter(([key]) => key.startsWith(`${tenant}/`)).map(([, kept]) => kept);
  }
}
