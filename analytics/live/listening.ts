/** Who listens to which call: audited, with the pipeline's lease alive while anyone does, and the audio handed to each listener. */
import { randomUUID } from "node:crypto";
import type { Clock } from "@earshot/platform/clock/clock.ts";
import type { EventLog, Subscription } from "@earshot/platform/event-log/port.ts";
import type { Component } from "@earshot/platform/lifecycle/component.ts";
import type { Log } from "@earshot/platform/log/log.ts";
import { audioMessageVersion } from "@earshot/proto/api/live.ts";
import { EarshotError } from "@earshot/proto/errors.ts";
import { decodeEvent, encodeEvent, type PayloadOf } from "@earshot/proto/event.ts";
import { topics } from "@earshot/proto/topics.ts";
import type { Identity } from "../access/identity.ts";
import type { DirectoryStore } from "../store/port.ts";
import type { LiveCalls } from "./live-calls.ts";

const leaseMs = 30_000;
const renewMs = 10_000;

export type Listener = {
  /** In the order spoken. The chunk is shared: not to be changed. */
  heard(chunk: HeardChunk): void;
  /** The call has ended; nothing is heard any more. */
  ended(): void;
};

/** One listener's ear on one call. */
export type Ear = {
  /** Nothing is heard from now on, whatever becomes of the audit entry. Once is enough. */
  close(): Promise<void>;
};

/** Audio of one call, and the binary message of proto/api/live.ts, which is made once for all sockets. */
export class HeardChunk {
  readonly callId: string;
  readonly chunk: PayloadOf<"listenChunk">;
  #message: Buffer | undefined;

  constructor(callId: string, chunk: PayloadOf<"listenChunk">) {
    this.callId = callId;
    this.chunk = chunk;
  }

  get message(): Buffer {
    this.#message ??= audioMessage(this.callId, this.chunk);
    return this.#message;
  }
}

export type ListeningOptions = {
  readonly calls: LiveCalls;
  readonly directory: Pick<DirectoryStore, "audit">;
  readonly eventLog: EventLog;
  readonly clock: Clock;
  readonly log: Log;
};

type Heard = { readonly tenantId: string; readonly callId: string; readonly listeners: Map<Listener, string> };

export class Listening implements Component {
  readonly name = "listening";
  readonly #options: ListeningOptions;
  readonly #calls = new Map<string, Heard>();
  #audio: Subscription | undefined;
  #cancelRenewal = () => {};

  constructor(options: ListeningOptions) {
    this.#options = options;
    options.calls.onEvent((tenantId, event) => {
      if (event.type === "call.ended") this.#end(keyOf(tenantId, event.callId));
    });
  }

  async start(): Promise<void> {
    const { eventLog, clock } = this.#options;
    this.#audio = await eventLog.subscribe({
      topics: [topics.listen.name],
      group: "listening",
      from: "latest",
      durable: false,
      handle: (batch) => {
        for (const record of batch) this.#hear(record.value);
      },
    });
    this.#cancelRenewal = clock.every(renewMs, () => {
      for (const call of this.#calls.values()) this.#lease(call);
    });
  }

  async stop(_deadlineMs: number): Promise<void> {
    this.#cancelRenewal();
    await this.#audio?.stop();
    for (const key of [...this.#calls.keys()]) this.#end(key);
  }

  /**
   * Nobody listens unseen: the audit entry is written before the first sample is handed over.
   * @throws EarshotError not_found where the tenant has no such call up
   */
  async open({ tenant, actor }: Pick<Identity, "tenant" | "actor">, callId: string, listener: Listener): Promise<Ear> {
    const { calls, directory } = this.#options;
    if (calls.get(tenant.id, callId)?.endedAt !== null)
      throw new EarshotError("not_found", "call_not_live", "There is no such call up.", {
        remedy: "Open the call page for its recording.",
      });
    await directory.audit(tenant.id, { actor, action: "call.listen.start", subject: callId, details: {} });
    const key = keyOf(tenant.id, callId);
    const call: Heard = this.#calls.get(key) ?? { tenantId: tenant.id, callId, listeners: new Map() };
    call.listeners.set(listener, actor);
    this.#calls.set(key, call);
    this.#lease(call);
    // It ended while the entry was written.
    if (calls.get(tenant.id, callId)?.endedAt !== null) this.#end(key);
    return {
      close: async () => {
        if (!call.listeners.delete(listener)) return;
        // The lease runs out by itself.
        if (call.listeners.size === 0) this.#calls.delete(key);
        await directory.audit(tenant.id, { actor, action: "call.listen.stop", subject: callId, details: {} });
      },
    };
  }

  #end(key: string): void {
    const call = this.#calls.get(key);
    if (call === undefined) return;
    this.#calls.delete(key);
    const listeners = [...call.listeners.keys()];
    call.listeners.clear();
    for (const listener of listeners) listener.ended();
  }

  #hear(value: Uint8Array): void {
    const { tenantId, callId, payload } = decodeEvent(value);
    if (payload.case !== "listenChunk") return;
    const call = this.#calls.get(keyOf(tenantId, callId));
    if (call === undefined) return;
    const heard = new HeardChunk(callId, payload.value);
    for (const listener of call.listeners.keys()) listener.heard(heard);
  }

  #lease({ tenantId, callId, listeners }: Heard): void {
    const { clock, eventLog, log } = this.#options;
    const now = clock.now();
    const actor = listeners.values().next().value ?? "";
    const command = encodeEvent({
      id: `listen-${callId}-${now}-${randomUUID()}`,
      tenantId,
      callId,
      occurredAtMs: now,
      payload: { case: "callCommand", value: { actor, command: { case: "listen", value: { untilMs: now + leaseMs } } } },
    });
    if (!eventLog.append(topics.commands.name, callId, command))
      log.warn({ callId }, "The event log is full: a listen lease was not renewed");
  }
}

const keyOf = (tenantId: string, callId: string): string => `${tenantId}/${callId}`;

function audioMessage(callId: string, chunk: PayloadOf<"listenChunk">): Buffer {
  const id = Buffer.from(callId, "ascii").subarray(0, 255);
  const header = Buffer.alloc(13 + id.length);
  header.writeUInt8(0x45, 0);
  header.writeUInt8(0x41, 1);
  header.writeUInt8(audioMessageVersion, 2);
  header.writeUInt8(2, 3);
  header.writeUInt32LE(chunk.sampleRate, 4);
  header.writeUInt32LE(chunk.positionMs, 8);
  header.writeUInt8(id.length, 12);
  id.copy(header, 13);
  return Buffer.concat([header, chunk.pcm]);
}
