/** Tells gateway and pipeline what a tenant has set: the whole of it, each time, on settings.v1. */
import type { Clock } from "@earshot/platform/clock/clock.ts";
import type { EventLog } from "@earshot/platform/event-log/port.ts";
import type { Log } from "@earshot/platform/log/log.ts";
import { EarshotError } from "@earshot/proto/errors.ts";
import { encodeEvent } from "@earshot/proto/event.ts";
import type { TenantId } from "@earshot/proto/ids.ts";
import { topics } from "@earshot/proto/topics.ts";
import type { DirectoryStore, StoredSettings } from "../store/port.ts";

export type TenantSettingsOptions = {
  directory: DirectoryStore;
  eventLog: EventLog;
  clock: Clock;
  log: Log;
  /** Size of one record of the event log at most: a tenant's settings are one. */
  maxRecordBytes: number;
};

export class TenantSettingsPublisher {
  readonly #options: TenantSettingsOptions;
  #version = 0;

  constructor(options: TenantSettingsOptions) {
    this.#options = options;
  }

  /** Every tenant's, at a start. One that cannot be told keeps what was told of it before; the others are told. */
  async publishAll(): Promise<void> {
    const { directory, log } = this.#options;
    for (const { id } of await directory.tenants())
      await this.publish(id).catch((error: unknown) => {
        log.error({ err: error, tenantId: id }, "A tenant's settings could not be told to gateway and pipeline");
      });
  }

  /**
   * For the transaction that saves: what could not be told is not saved.
   * @throws EarshotError quota where the settings do not fit into one record
   */
  readonly check = (settings: StoredSettings): void => {
    this.#encode(settings, this.#options.clock.now());
  };

  /** Resolves when the settings are in the log. */
  async publish(id: TenantId): Promise<void> {
    const { directory, eventLog, clock } = this.#options;
    // Before the reads: of two writers the one that read later wins.
    this.#version = Math.max(clock.now(), this.#version + 1);
    const version = this.#version;
    const settings = await directory.settings(id);
    if (settings !== undefined) await eventLog.publish(topics.settings.name, id, this.#encode(settings, version));
  }

  #encode({ tenant, trunks, extensions }: StoredSettings, version: number): Uint8Array {
    const { id, name, suspended, language, vocabulary } = tenant;
    const record = encodeEvent({
      id: `settings-${id}-${version}`,
      tenantId: id,
      occurredAtMs: version,
      payload: { case: "tenantSettings", value: { tenantName: name, suspended, trunks, extensions, language, vocabulary, version } },
    });
    const limit = this.#options.maxRecordBytes;
    if (record.length > limit)
      throw new EarshotError("quota", "settings_too_large", "Trunks, extensions and vocabulary together are too large.", {
        remedy: "Delete what is not used; the operator may raise EARSHOT_EVENT_LOG_MAX_RECORD_BYTES.",
        details: { bytes: record.length, limit },
      });
    return record;
  }
}
