/** Where the state of calls is kept: in the spool of this machine, or on the log for whichever worker comes next. */
import { join } from "node:path";
import type { Clock } from "@earshot/platform/clock/clock.ts";
import type { EventLog } from "@earshot/platform/event-log/port.ts";
import type { Log } from "@earshot/platform/log/log.ts";
import { EarshotError } from "@earshot/proto/errors.ts";
import type { CallId } from "@earshot/proto/ids.ts";
import { type CallState, decodeCallState, encodeCallState } from "../call/call-state.ts";
import { findCalls, folderName, saveCall } from "../recording/spool.ts";

export type PartitionStates = {
  /** Calls that are not finished. */
  readonly calls: readonly CallState[];
  /** Calls of which it is known that they are finished. */
  readonly finished: readonly string[];
};

export interface CallStates {
  /** Of the calls of one partition. @throws EarshotError where they cannot be read */
  load(partition: number): Promise<PartitionStates>;
  /**
   * Resolves when the state outlives this process (on the log: this machine).
   * @param isOurs false once another worker may have the call: its newer state is not written over then, and this rejects
   */
  save(state: CallState, isOurs: () => boolean): Promise<void>;
  /** The call is finished: nothing of it needs to be taken up. */
  end(call: CallId, isOurs: () => boolean): Promise<void>;
}

export class SpoolStates implements CallStates {
  readonly #spoolDir: string;
  readonly #log: Log;
  #found: Promise<CallState[]> | undefined;

  constructor(spoolDir: string, log: Log) {
    this.#spoolDir = spoolDir;
    this.#log = log;
  }

  async load(partition: number): Promise<PartitionStates> {
    this.#found ??= findCalls(this.#spoolDir, this.#log);
    return { calls: (await this.#found).filter(({ checkpoint }) => checkpoint.partition === partition), finished: [] };
  }

  async save(state: CallState): Promise<void> {
    try {
      await saveCall(join(this.#spoolDir, folderName(state.call.tenantId, state.call.callId)), state);
    } catch (cause) {
      throw new EarshotError("unavailable", "spool_failed", "The state of a call cannot be written to the spool.", {
        cause,
        remedy: "Make room on the disk of EARSHOT_SPOOL_DIR, and let Earshot write there.",
      });
    }
  }

  /** The call's folder goes, and its state with it. */
  async end(): Promise<void> {}
}

const readBatch = 500;
const topic = "call-state.v1";

export class LogStates implements CallStates {
  readonly #eventLog: EventLog;
  readonly #clock: Clock;
  readonly #log: Log;

  constructor(eventLog: EventLog, clock: Clock, log: Log) {
    this.#eventLog = eventLog;
    this.#clock = clock;
    this.#log = log;
  }

  async load(partition: number): Promise<PartitionStates> {
    const calls = new Map<string, CallState>();
    const finished = new Set<string>();
    const bounds = (await this.#eventLog.bounds(topic)).find((one) => one.partition === partition);
    for (let at = bounds?.first ?? 0; at < (bounds?.next ?? 0); ) {
      const records = await this.#eventLog.read(topic, partition, at, readBatch);
      if (records.length === 0) break;
      for (const { key, value, offset } of records) {
        if (value.length === 0) {
          calls.delete(key);
          finished.add(key);
          continue;
        }
        try {
          const state = decodeCallState(value);
          if (state !== undefined) calls.set(key, state);
        } catch (error) {
          this.#log.error(
            { err: error, topic, partition, offset, callId: key },
            "the state of a call cannot be read; an older one is used",
          );
        }
      }
      at = records.at(-1)!.offset + 1;
    }
    return { calls: [...calls.values()], finished: [...finished] };
  }

  async save(state: CallState, isOurs: () => boolean): Promise<void> {
    await this.#eventLog.publish(topic, state.call.callId, encodeCallState(state, this.#clock.now()), isOurs);
  }

  async end(call: CallId, isOurs: () => boolean): Promise<void> {
    await this.#eventLog.publish(topic, call, new Uint8Array(0), isOurs);
  }
}
