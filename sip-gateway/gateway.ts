/** The SIP gateway: signalling, admission and the recording server, wired to the event log. */
import { randomUUID } from "node:crypto";
import type { Clock } from "@earshot/platform/clock/clock.ts";
import type { EventLog, LogRecord, Subscription } from "@earshot/platform/event-log/port.ts";
import type { Component } from "@earshot/platform/lifecycle/component.ts";
import type { Log } from "@earshot/platform/log/log.ts";
import type { Metrics } from "@earshot/platform/metrics/metrics.ts";
import { decodeEvent, type Event } from "@earshot/proto/event.ts";
import { topics } from "@earshot/proto/topics.ts";
import { Admission } from "./admission/admission.ts";
import { RefusalNotices } from "./admission/refusal-notices.ts";
import { TrunkDirectory } from "./admission/trunk-directory.ts";
import { CallEvents } from "./events/call-events.ts";
import type { MediaPlane } from "./media/port.ts";
import { GatewayPeers } from "./peers/gateway-peers.ts";
import { reachableAt } from "./peers/reachable-at.ts";
import { endUnendedCalls } from "./recovery/end-unended-calls.ts";
import type { gatewaySettings, SettingsOf } from "./settings.ts";
import { createSignalling } from "./signalling/create.ts";
import type { SipListener, SipTransport } from "./signalling/port.ts";
import { RecordingServer } from "./siprec/recording-server.ts";

export type GatewaySettings = SettingsOf<typeof gatewaySettings>;
export type GatewayOptions = {
  /** Its name on the event log, the same after a restart: `gatewayIdOf`. */
  readonly gatewayId: string;
  readonly settings: GatewaySettings;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly eventLog: EventLog;
  /** Started and stopped by whoever made it: before and after the gateway. */
  readonly mediaPlane: MediaPlane;
};

export interface Gateway extends Component {
  /** Recording sessions that are up. */
  liveCalls(): number;
  /** Bound SIP sockets. */
  addresses(): readonly SipListener[];
  /** Why it takes no call at present; undefined where it serves and knows at least one tenant's settings. */
  readonly fault: string | undefined;
}

/** Of the time to stop, what is kept for BYEs and their answers. */
const byeTimeMs = 2000;
const settingsRetryMs = 1000;

export function createGateway(options: GatewayOptions): Gateway {
  const { settings, clock, eventLog, metrics, gatewayId } = options;
  const log = options.log.child({ service: "sip-gateway" });
  const signalling = createSignalling(settings, { log, metrics, clock });
  const directory = new TrunkDirectory(log, signalling.withoutTlsNames);
  const events = new CallEvents(eventLog, log, metrics);
  const peers: GatewayPeers = new GatewayPeers({
    gatewayId,
    beatMs: settings.beatMs,
    lostMs: settings.lostMs,
    eventLog,
    clock,
    log,
    state: () => ({
      addresses: signalling
        .listeners()
        .map((listener) => ({ ...listener, address: settings.advertisedAddress || reachableAt(listener.address) })),
      liveCalls: server.liveCalls,
      room: serving && !admission.draining && canRecord() && signalling.fault === undefined ? admission.room : 0,
      draining: admission.draining,
    }),
    async lost(id) {
      const detail = `The gateway ${id} was not heard of for ${Math.round(settings.lostMs / 1000)} s.`;
      const ended = await endUnendedCalls(eventLog, events, clock.now(), { gatewayId: id, termination: "gateway_lost", detail });
      log.warn({ gatewayId: id, calls: ended }, "A gateway is lost; its calls were ended");
    },
  });
  const elsewhere = (transport: SipTransport) => (settings.overflow === "redirect" ? peers.withRoom(transport) : undefined);
  const canRecord = () => eventLog.health().state !== "down";
  const admission = new Admission(directory, settings, clock, elsewhere, canRecord);
  const refusals = new RefusalNotices({ directory, events, log, clock, perSecond: settings.refusalsPerSecond });
  const server = new RecordingServer({
    clock,
    log,
    metrics,
    events,
    gatewayId,
    admission,
    refusals,
    mediaPlane: options.mediaPlane,
    limits: {
      ...settings,
      metadata: {
        maxBytes: settings.maxMetadataBytes,
        maxDepth: settings.maxMetadataDepth,
        maxElements: settings.maxMetadataElements,
        maxParticipants: settings.maxParticipants,
      },
    },
  });
  signalling.handle(server);
  const subscriptions: Subscription[] = [];
  let serving = false;

  // Every gateway needs every record, so each start is a group of its own.
  const group = `sip-gateway-${randomUUID()}`;
  const follow = async (topic: string, from: "earliest" | "latest", take: (event: Event) => void): Promise<Subscription> => {
    const handle = (batch: readonly LogRecord[]) => {
      for (const record of batch) take(decodeEvent(record.value));
    };
    const subscription = await eventLog.subscribe({ topics: [topic], group, from, durable: false, handle });
    subscriptions.push(subscription);
    return subscription;
  };
  const followSettings = () =>
    follow(topics.settings.name, "earliest", ({ tenantId, payload }) => {
      if (payload.case === "tenantSettings") directory.apply(tenantId, payload.value);
    });
  const followCommands = () =>
    follow(topics.commands.name, "latest", ({ tenantId, callId, payload }) => {
      if (payload.case === "callCommand") server.command(callId, tenantId, payload.value);
    });

  /** Resolves when all settings are applied that were on the log before; tried again where the log cannot say where it ends. */
  const settingsRead = async (ofSettings: Subscription): Promise<void> => {
    while (!admission.draining) {
      try {
        await ofSettings.drained();
        return directory.complete();
      } catch (err) {
        log.warn({ err }, "How far the tenants' settings go on the event log could not be asked, tried again");
        await pause(clock, settingsRetryMs);
      }
    }
  };

  return {
    name: "sip-gateway",
    liveCalls: () => server.liveCalls,
    addresses: () => signalling.listeners(),
    get fault() {
      if (serving && directory.known && !admission.draining) return signalling.fault;
      return "the gateway starts, drains, or knows no tenant's settings yet";
    },
    async start() {
      // What the last run left in its spool may say how its calls ended.
      await eventLog.flush();
      const detail = "The gateway was restarted while the call was up.";
      const ended = await endUnendedCalls(eventLog, events, clock.now(), { gatewayId, termination: "restart", detail });
      if (ended > 0) log.info({ calls: ended }, "Calls that a restart had cut off were ended");
      const read = settingsRead(await followSettings());
      await followCommands();
      // Who calls in the moment after a restart is no stranger because his trunk was not read yet.
      await Promise.race([read, pause(clock, settings.settingsWaitMs)]);
      try {
        await signalling.start();
      } catch (error) {
        await Promise.all(subscriptions.map((subscription) => subscription.stop()));
        throw error;
      }
      server.watch();
      serving = true;
      await peers.start();
    },
    async stop(deadlineMs) {
      serving = false;
      admission.drain();
      peers.beat();
      const forByesMs = Math.min(byeTimeMs, deadlineMs / 2);
      const drainUntilMs = clock.monotonicMs() + Math.max(0, deadlineMs - forByesMs);
      await waitUntil(clock, () => server.liveCalls === 0 || clock.monotonicMs() >= drainUntilMs);
      const ended = server.endAll("shutdown", "The recording server is shutting down.");
      if (forByesMs > 0) await Promise.race([ended, pause(clock, forByesMs)]);
      await Promise.all(subscriptions.map((subscription) => subscription.stop()));
      // Callers are sent on to the last moment, so the others are listened to until then.
      await signalling.stop(0);
      await peers.stop();
      await eventLog.flush();
    },
  };
}

const pause = (clock: Clock, ms: number): Promise<void> => new Promise((resolve) => void clock.after(ms, resolve));

async function waitUntil(clock: Clock, done: () => boolean): Promise<void> {
  while (!done()) await pause(clock, 50);
}
