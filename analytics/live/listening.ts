/** Who listens to which call: keeps the pipeline's lease alive while anyone does, and builds the audio messages. */
import { randomUUID } from "node:crypto";
import type { Clock } from "@earshot/platform/clock/clock.ts";
import { audioMessageVersion } from "@earshot/proto/api/live.ts";
import { type EventInit, encodeEvent, type PayloadOf } from "@earshot/proto/event.ts";
import type { LiveClient } from "./live-client.ts";

export const leaseMs = 30_000;
export const renewMs = 10_000;

export class Listening {
  readonly #clock: Clock;
  readonly #publish: (callId: string, command: Uint8Array) => void;
  readonly #calls = new Map<string, { tenantId: string; callId: string; clients: Map<LiveClient, string> }>();

  /** @param publish puts a command on commands.v1 */
  constructor(clock: Clock, publish: (callId: string, command: Uint8Array) => void) {
    this.#clock = clock;
    this.#publish = publish;
  }

  add(client: LiveClient, callId: string): void {
    const tenantId = client.identity.tenant.id;
    const key = `${tenantId}/${callId}`;
    const call = this.#calls.get(key) ?? { tenantId, callId, clients: new Map() };
    call.clients.set(client, client.identity.actor);
    client.listening.add(callId);
    this.#calls.set(key, call);
    this.#lease(call);
  }

  remove(client: LiveClient, callId: string): void {
    const key = `${client.identity.tenant.id}/${callId}`;
    const call = this.#calls.get(key);
    client.listening.delete(callId);
    call?.clients.delete(client);
    // The lease runs out by itself.
    if (call?.clients.size === 0) this.#calls.delete(key);
  }

  removeAll(client: LiveClient): void {
    for (const callId of [...client.listening]) this.remove(client, callId);
  }

  endCall(tenantId: string, callId: string): LiveClient[] {
    const clients = [...(this.#calls.get(`${tenantId}/${callId}`)?.clients.keys() ?? [])];
    for (const client of clients) this.remove(client, callId);
    return clients;
  }

  listeners(tenantId: string, callId: string): Iterable<LiveClient> {
    return this.#calls.get(`${tenantId}/${callId}`)?.clients.keys() ?? [];
  }

  isHeard(tenantId: string, callId: string): boolean {
    return this.#calls.has(`${tenantId}/${callId}`);
  }

  /** To be called every `renewMs`. */
  renew(): void {
    for (const call of this.#calls.values()) this.#lease(call);
  }

  #lease({ tenantId, callId, clients }: { tenantId: string; callId: string; clients: Map<LiveClient, string> }): void {
    const now = this.#clock.now();
    const event: EventInit = {
      id: `listen-${callId}-${now}-${randomUUID()}`,
      tenantId,
      callId,
      occurredAtMs: now,
      payload: {
        case: "callCommand",
        value: { actor: clients.values().next().value ?? "", command: { case: "listen", value: { untilMs: now + leaseMs } } },
      },
    };
    this.#publish(callId, encodeEvent(event));
  }
}

/** The binary message of proto/api/live.ts. */
export function audioMessage(callId: string, chunk: PayloadOf<"listenChunk">): Buffer {
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
