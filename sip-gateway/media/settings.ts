/** Settings of the media plane. */
import { type SettingsOf, setting, z } from "@earshot/platform/config/settings.ts";

const whole = (low: number, high: number) => z.coerce.number().int().min(low).max(high);

export const mediaSettings = {
  host: setting({
    env: "EARSHOT_RTP_HOST",
    schema: z.union([z.ipv4(), z.ipv6()]),
    default: "0.0.0.0",
    describe: "local address that RTP and RTCP are received on",
  }),
  sockets: setting({
    env: "EARSHOT_RTP_SOCKETS",
    schema: z.enum(["auto", "dgram"]),
    default: "auto" as "auto" | "dgram",
    describe: "how RTP is read: auto (epoll and recvmmsg through libc on Linux with an IPv4 host, else node:dgram) or dgram",
  }),
  jitterDepthMs: setting({
    env: "EARSHOT_RTP_JITTER_MS",
    schema: whole(0, 500),
    default: 60,
    describe: "milliseconds that packets wait behind a missing one",
    atLimit: "the missing packet counts as lost; where it still comes it is counted late and dropped",
  }),
  chunkMs: setting({
    env: "EARSHOT_RTP_CHUNK_MS",
    schema: whole(20, 500),
    default: 100,
    describe: "milliseconds of audio per record on media.v1",
  }),
  drainMs: setting({
    env: "EARSHOT_RTP_DRAIN_MS",
    schema: whole(0, 600_000),
    default: 5000,
    describe: "milliseconds that a released port pair stays bound and drops what still arrives",
    atLimit: "the pair is closed and may serve another call",
  }),
  receiveBufferBytes: setting({
    env: "EARSHOT_RTP_RECEIVE_BUFFER",
    schema: whole(16_384, 16_777_216),
    default: 131_072,
    describe: "socket receive buffer per RTP port, bytes",
    atLimit: "the kernel drops packets; they are counted as lost on the line",
  }),
  maxPacketsPerSecond: setting({
    env: "EARSHOT_RTP_MAX_PACKETS_PER_SECOND",
    schema: whole(50, 100_000),
    default: 500,
    describe: "packets per second of a leg's own source",
    atLimit: "further packets of that second are dropped and counted",
  }),
  maxForeignPacketsPerSecond: setting({
    env: "EARSHOT_RTP_MAX_FOREIGN_PACKETS_PER_SECOND",
    schema: whole(10, 100_000),
    default: 100,
    describe: "packets per second and leg that come from elsewhere than the leg's source and are looked at (NAT, a peer that moved)",
    atLimit: "further such packets of that second are dropped unread and counted; the leg's own source is not touched",
  }),
  maxPacketBytes: setting({
    env: "EARSHOT_RTP_MAX_PACKET_BYTES",
    schema: whole(200, 9000),
    default: 4096,
    describe: "largest RTP packet",
    atLimit: "the packet is dropped and counted",
  }),
  qualityIntervalMs: setting({
    env: "EARSHOT_LINE_QUALITY_INTERVAL_MS",
    schema: whole(500, 60_000),
    default: 5000,
    describe: "milliseconds between two line-quality records of a leg, and between RTCP receiver reports",
  }),
  relatchAfterMs: setting({
    env: "EARSHOT_RTP_RELATCH_MS",
    schema: whole(100, 60_000),
    default: 2000,
    describe: "silence of the latched source after which another one may take over (symmetric RTP)",
  }),
  assumedDelayMs: setting({
    env: "EARSHOT_ASSUMED_DELAY_MS",
    schema: whole(0, 2000),
    default: 0,
    describe: "one-way delay reckoned with in MOS where RTCP tells none, milliseconds",
  }),
  voicedLevelDbov: setting({
    env: "EARSHOT_VOICED_LEVEL_DBOV",
    schema: whole(10, 120),
    default: 50,
    describe: "a frame at or above minus this level (dBov) counts as voiced in latency measures",
  }),
} as const;

export type MediaSettings = SettingsOf<typeof mediaSettings>;
