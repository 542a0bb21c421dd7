/** A gateway on free loopback ports with a fake media plane, an in-memory log and one tenant whose trunk admits loopback. */
import { type Clock, systemClock } from "@earshot/platform/clock/clock.ts";
import { type Log, silentLog } from "@earshot/platform/log/log.ts";
import { createMetrics, type Metrics } from "@earshot/platform/metrics/metrics.ts";
import { type EventInit, encodeEvent, type PayloadCase, type PayloadOf } from "@earshot/proto/event.ts";
import { topics } from "@earshot/proto/topics.ts";
import { createGateway, type Gateway, type GatewaySettings } from "../gateway.ts";
import type { MediaPlane } from "../media/port.ts";
import { gatewaySettings } from "../settings.ts";
import { FakeMediaPlane } from "./fake-media-plane.ts";
import { MemoryEventLog } from "./memory-event-log.ts";
import { RecordingClient } from "./recording-client.ts";
import type { SipTarget } from "./sip-client.ts";

type SettingsPayload = Extract<NonNullable<EventInit["payload"]>, { case: "tenantSettings" }>["value"];

export const loopbackTrunk = { id: "trunk-1", name: "Test", enabled: true, sourceNetworks: ["127.0.0.0/8"] };
export const tenantSettings = (trunk: object = {}, tenant: object = {}): SettingsPayload =>
  ({ tenantName: "Test", trunks: [{ ...loopbackTrunk, ...trunk }], version: 1, ...tenant }) as SettingsPayload;

export class GatewayUnderTest {
  readonly eventLog: MemoryEventLog;
  readonly media: FakeMediaPlane;
  readonly metrics: Metrics = createMetrics();
  readonly gateway: Gateway;
  readonly #clients: RecordingClient[] = [];

  constructor(
    options: {
      gatewayId?: string;
      eventLog?: MemoryEventLog;
      settings?: Partial<GatewaySettings>;
      clock?: Clock;
      log?: Log;
      mediaPairs?: number;
      /** In place of `media`; started and stopped by the test. */
      mediaPlane?: MediaPlane;
    } = {},
  ) {
    const defaults = Object.fromEntries(Object.entries(gatewaySettings).map(([name, spec]) => [name, spec.default])) as GatewaySettings;
    this.eventLog = options.eventLog ?? new MemoryEventLog();
    this.media = new FakeMediaPlane(options.mediaPairs);
    this.gateway = createGateway({
      gatewayId: options.gatewayId ?? "gateway-1",
      settings: { ...defaults, host: "127.0.0.1", port: 0, tlsPort: 0, ...options.settings },
      log: options.log ?? silentLog,
      metrics: this.metrics,
      clock: options.clock ?? systemClock,
      eventLog: this.eventLog,
      mediaPlane: options.mediaPlane ?? this.media,
    });
  }

  static async start(
    options: ConstructorParameters<typeof GatewayUnderTest>[0] & { trunk?: object; tenant?: object } = {},
  ): Promise<GatewayUnderTest> {
    const under = new GatewayUnderTest(options);
    under.configure("tenant-1", tenantSettings(options.trunk, options.tenant));
    await under.gateway.start();
    return under;
  }

  configure(tenantId: string, value: SettingsPayload): void {
    this.eventLog.append(
      topics.settings.name,
      tenantId,
      encodeEvent({ id: `settings-${tenantId}`, tenantId, payload: { case: "tenantSettings", value } }),
    );
  }

  command(
    callId: string,
    command: Extract<NonNullable<EventInit["payload"]>, { case: "callCommand" }>["value"],
    tenantId = "tenant-1",
  ): void {
    this.eventLog.append(
      topics.commands.name,
      callId,
      encodeEvent({ id: "command", tenantId, callId, payload: { case: "callCommand", value: command } }),
    );
  }

  target(transport: "udp" | "tcp" | "tls" = "udp"): SipTarget {
    const listener = this.gateway.addresses().find((one) => one.transport === transport);
    if (listener === undefined) throw new Error(`no ${transport} listener`);
    return { transport, port: listener.port };
  }

  async client(transport: "udp" | "tcp" | "tls" = "udp", tls = {}): Promise<RecordingClient> {
    const client = await RecordingClient.connect(this.target(transport), tls);
    this.#clients.push(client);
    return client;
  }

  calls<C extends PayloadCase>(kind: C): PayloadOf<C>[] {
    return this.eventLog.payloads(topics.calls.name, kind);
  }

  /** Waits for something to become true. */
  async until(done: () => boolean, what: string, withinMs = 3000): Promise<void> {
    const deadline = Date.now() + withinMs;
    while (!done()) {
      if (Date.now() > deadline) throw new Error(`${what} did not happen within ${withinMs} ms`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  async stop(): Promise<void> {
    for (const client of this.#clients) client.close();
    await this.gateway.stop(0);
  }
}
