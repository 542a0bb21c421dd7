/** The media plane: port pairs, one receiver per leg, one tick for all of them, chunks and line quality onto the event log. */
import { randomUUID } from "node:crypto";
import type { Clock } from "@earshot/platform/clock/clock.ts";
import type { EventLog } from "@earshot/platform/event-log/port.ts";
import type { Log } from "@earshot/platform/log/log.ts";
import type { Metrics } from "@earshot/platform/metrics/metrics.ts";
import { EarshotError } from "@earshot/proto/errors.ts";
import { encodeEvent } from "@earshot/proto/event.ts";
import type { MediaChunkEncoder, MediaChunkFields } from "@earshot/proto/media-chunk-codec.ts";
import { topics } from "@earshot/proto/topics.ts";
import { counterExport, zeroCounters } from "./counters.ts";
import { type LegContextWithEvents, MediaLeg } from "./media-leg.ts";
import { NativeSockets } from "./native-sockets.ts";
import type { MediaPlane } from "./port.ts";
import { PortPool } from "./port-pool.ts";
import { RtpSocket } from "./rtp-socket.ts";
import type { MediaSettings } from "./settings.ts";

export type MediaPlaneOptions = {
  /** The range RTP and RTCP are received on, inclusive. */
  ports: { from: number; to: number };
  settings: MediaSettings;
  log: Log;
  metrics: Metrics;
  clock: Clock;
  eventLog: Pick<EventLog, "append">;
};

const tickMs = 20;
const exportMs = 1000;

/** @returns a media plane; the topics must have been declared on the event log */
export function createMediaPlane({ ports, settings, log, metrics, clock, eventLog }: MediaPlaneOptions): MediaPlane {
  const counters = zeroCounters();
  const exportCounters = counterExport(counters, metrics);
  const legsGauge = metrics.gauge("earshot_media_legs", "Legs that receive now");
  const freeGauge = metrics.gauge("earshot_rtp_port_pairs_free", "Port pairs that no call holds and none is draining");
  const tickLag = metrics.gauge("earshot_media_tick_lag_ms", "How late the media plane's last tick ran");
  const legs: MediaLeg[] = [];
  const native = settings.sockets === "auto" ? NativeSockets.create(settings.host, settings.maxPacketBytes, clock) : undefined;
  const pool = new PortPool({
    ...ports,
    host: settings.host,
    receiveBufferBytes: settings.receiveBufferBytes,
    drainMs: settings.drainMs,
    clock,
    bind: native === undefined ? RtpSocket.bind : (...given) => native.bind(...given),
    stray: {
      onDatagram() {
        counters.stray++;
      },
    },
  });
  let stopTick = (): void => {};
  let lastTickMs = 0;
  let nextExportMs = 0;
  let started = false;

  let arena = new Uint8Array(64 * 1024);
  const sink = (key: string, encoder: MediaChunkEncoder, fields: MediaChunkFields): boolean => {
    const needed = encoder.maxLength(fields);
    if (needed > arena.length) arena = new Uint8Array(needed);
    const length = encoder.encode(fields, arena, 0);
    if (!append(topics.media.name, key, arena.subarray(0, length))) {
      counters.chunksLost++;
      return false;
    }
    counters.chunks++;
    counters.chunkBytes += length;
    return true;
  };

  /** Never throws: one bad record must not end the tick of all legs. */
  const append = (topic: string, key: string, value: Uint8Array): boolean => {
    try {
      return eventLog.append(topic, key, value);
    } catch (err) {
      log.error({ err, topic, callId: key }, "the event log refused a media record");
      return false;
    }
  };

  const context: LegContextWithEvents = {
    settings,
    clock,
    counters,
    sink,
    wallOffsetMs: clock.now() - clock.monotonicMs(),
    cname: `earshot-${randomUUID().slice(0, 8)}`,
    publishQuality(key, event) {
      append(topics.lineQuality.name, key, encodeEvent(event));
    },
    onClosed(leg) {
      const index = legs.indexOf(leg);
      if (index >= 0) {
        legs[index] = legs[legs.length - 1]!;
        legs.pop();
      }
      pool.release(leg.ports, true);
    },
    onFault(leg, err) {
      counters.legFaults++;
      log.error({ err, rtpPort: leg.ports.rtpPort }, "A leg could not be processed and is closed");
      leg.close();
    },
  };

  const tick = (): void => {
    const nowMs = clock.monotonicMs();
    context.wallOffsetMs = clock.now() - nowMs;
    // From the end: a leg that is closed meanwhile is replaced by one that had its turn.
    for (let i = legs.length - 1; i >= 0; i--) {
      const leg = legs[i]!;
      try {
        leg.tick(nowMs);
      } catch (error) {
        context.onFault(leg, error);
      }
    }
    if (nowMs >= nextExportMs) {
      nextExportMs = nowMs + exportMs;
      tickLag.set(Math.max(0, nowMs - lastTickMs - tickMs));
      publishMetrics();
    }
    lastTickMs = nowMs;
  };

  const publishMetrics = (): void => {
    exportCounters();
    legsGauge.set(legs.length);
    freeGauge.set(pool.free);
  };

  return {
    name: "media-plane",
    async start() {
      started = true;
      log.info({ sockets: native === undefined ? "dgram" : "native" }, "RTP can be received");
      lastTickMs = clock.monotonicMs();
      stopTick = clock.every(tickMs, tick);
    },
    async stop() {
      started = false;
      stopTick();
      for (const leg of [...legs]) leg.close();
      await pool.stop();
      native?.stop();
      publishMetrics();
    },
    allocate: () => pool.allocate(),
    release: (pair) => pool.release(pair, false),
    open(tenantId, callId, leg, originMs, pair, description, events) {
      const bound = pool.bound(pair);
      if (bound === undefined || !started)
        throw new EarshotError("bug", "rtp_ports_not_allocated", "A leg was opened on ports that are not allocated.", {
          details: { ...pair },
        });
      const media = new MediaLeg(context, { tenantId, callId, leg, originMs }, bound, description, events);
      legs.push(media);
      return media;
    },
    freePairs: () => pool.free,
  };
}
