/** Tells gateway and pipeline what a tenant has set: the whole of it, each time, on settings.v1. */
import type { Clock } from "@earshot/platform/clock/clock.ts";
import type { EventLog } from "@earshot/platform/event-log/port.ts";
import { encodeEvent } from "@earshot/proto/event.ts";
import type { TenantId } from "@earshot/proto/ids.ts";
import { topics } from "@earshot/proto/topics.ts";
import type { DirectoryStore } from "../store/port.ts";

export class TenantSettingsPublisher {
  readonly #directory: DirectoryStore;
  readonly #eventLog: EventLog;
  readonly #clock: Clock;
  #version = 0;

  constructor(options: { directory: DirectoryStore; eventLog: EventLog; clock: Clock }) {
    this.#directory = options.directory;
    this.#eventLog = options.eventLog;
    this.#clock = options.clock;
  }

  async publishAll(): Promise<void> {
    for (const tenant of await this.#directory.tenants()) await this.publish(tenant.id);
  }

  /** Resolves when the settings are in the log. */
  async publish(id: TenantId): Promise<void> {
    // Before the reads: of two writers the one that read later wins.
    this.#version = Math.max(this.#clock.now(), this.#version + 1);
    const version = this.#version;
    const [tenant, trunks, extensions] = await Promise.all([
      this.#directory.tenant(id),
      this.#directory.trunks(id),
      this.#directory.extensions(id),
    ]);
    if (tenant === undefined) return;
    const { name, suspended, language, vocabulary } = tenant;
    const value = { tenantName: name, suspended, trunks, extensions, language, vocabulary, version };
    const event = encodeEvent({
      id: `settings-${id}-${version}`,
      tenantId: id,
      occurredAtMs: version,
      payload: { case: "tenantSettings", value },
    });
    await this.#eventLog.publish(topics.settings.name, id, event);
  }
}
