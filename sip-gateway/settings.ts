/** Settings of the recording server: addresses, certificates, RTP ports and the limits on what the network may ask of it. */
import { setting, z } from "@earshot/platform/config/settings.ts";
import { isDrachtioUrl } from "./signalling/drachtio/address.ts";

export type PortRange = { readonly from: number; readonly to: number };

const portRange = z
  .string()
  .regex(/^\d{1,5}-\d{1,5}$/, "must be two port numbers, as in 20000-20999")
  .transform((text): PortRange => {
    const [from = 0, to = 0] = text.split("-").map(Number);
    return { from, to };
  })
  .refine(
    (range) => range.from >= 1024 && range.to <= 65_535 && range.to - range.from >= 1,
    "must span at least 2 ports between 1024 and 65535",
  );

const count = (minimum: number) => z.coerce.number().int().min(minimum);

export const gatewaySettings = {
  gatewayId: setting<string>({
    env: "EARSHOT_GATEWAY_ID",
    schema: z.string().regex(/^[A-Za-z0-9._-]{1,64}$/, "must be 1 to 64 letters, digits, dots, dashes or underscores"),
    default: "",
    defaultText: "made once, kept under EARSHOT_DATA_DIR",
    describe: "name of this gateway among others on the same event log; after a restart it ends the calls that its last run left behind",
  }),
  beatMs: setting<number>({
    env: "EARSHOT_GATEWAY_BEAT_MS",
    schema: count(100).max(60_000),
    default: 2000,
    describe: "how often a gateway tells the others on the event log that it lives and has room (100 to 60000 ms)",
  }),
  lostMs: setting<number>({
    env: "EARSHOT_GATEWAY_LOST_MS",
    schema: count(1000),
    default: 120_000,
    describe: "silence on the event log after which a gateway counts as lost; longer than the event log may be away",
    atLimit: "its calls are ended as gateway_lost by another gateway",
  }),
  overflow: setting<"redirect" | "reject">({
    env: "EARSHOT_SIP_OVERFLOW",
    schema: z.enum(["redirect", "reject"]),
    default: "redirect" as const,
    describe:
      "what a gateway that is full or draining answers: redirect = 302 to another gateway that has room, where there is one; reject = 503",
    atLimit: "where no gateway has room: 503 with Retry-After",
  }),
  signalling: setting<string>({
    env: "EARSHOT_SIP_SIGNALLING",
    schema: z.string().refine((text) => text === "embedded:" || isDrachtioUrl(text), "must be embedded: or drachtio://:SECRET@HOST[:PORT]"),
    default: "embedded:",
    describe:
      "embedded: speaks SIP over UDP, TCP and TLS itself; drachtio://:SECRET@HOST[:PORT] leaves that to a drachtio-server (its admin port, 9022): the EARSHOT_SIP settings of ports and connections are the server's own then, and EARSHOT_SIP_TLS files are refused",
    secret: true,
  }),
  signallingConnectMs: setting<number>({
    env: "EARSHOT_SIP_SIGNALLING_CONNECT_MS",
    schema: count(100).max(600_000),
    default: 10_000,
    describe: "how long a drachtio-server may take to answer at the start (100 to 600000 ms)",
    atLimit: "the gateway does not start; once it runs it connects again for as long as it takes",
  }),
  host: setting<string>({
    env: "EARSHOT_SIP_HOST",
    schema: z.union([z.ipv4(), z.ipv6()]),
    default: "0.0.0.0",
    describe: "local IP address SIP is bound to",
  }),
  port: setting<number>({
    env: "EARSHOT_SIP_PORT",
    schema: count(0).max(65_535),
    default: 5060,
    describe: "SIP port, UDP and TCP; 0 takes a free one",
  }),
  advertisedAddress: setting<string>({
    env: "EARSHOT_SIP_ADVERTISED_ADDRESS",
    schema: z.union([z.ipv4(), z.ipv6()]),
    default: "",
    describe: "IP address peers are told to send SIP and RTP to (behind NAT); by default the local address that reaches the peer",
  }),
  tlsPort: setting<number>({
    env: "EARSHOT_SIP_TLS_PORT",
    schema: count(0).max(65_535),
    default: 5061,
    describe: "SIP over TLS port; used when a certificate is configured; 0 takes a free one",
  }),
  tlsCertFile: setting<string>({
    env: "EARSHOT_SIP_TLS_CERT",
    schema: z.string(),
    default: "",
    describe: "file with the certificate chain (PEM) for SIP over TLS",
  }),
  tlsKeyFile: setting<string>({ env: "EARSHOT_SIP_TLS_KEY", schema: z.string(), default: "", describe: "file with its private key (PEM)" }),
  tlsCaFile: setting<string>({
    env: "EARSHOT_SIP_TLS_CA",
    schema: z.string(),
    default: "",
    describe: "file with the CA certificates (PEM) that sign clients; set it to admit trunks by their certificate",
  }),
  rtpPorts: setting<PortRange>({
    env: "EARSHOT_RTP_PORTS",
    schema: portRange,
    default: { from: 20_000, to: 20_999 },
    defaultText: "20000-20999",
    describe: "ports for RTP and RTCP, first-last",
    atLimit: "no pair free: the INVITE is answered 503 with Retry-After",
  }),
  maxCalls: setting<number>({
    env: "EARSHOT_SIP_MAX_CALLS",
    schema: count(1),
    default: 1000,
    describe: "calls at once, all trunks together",
    atLimit: "the INVITE is answered 503 with Retry-After",
  }),
  maxInvitesPerSecond: setting<number>({
    env: "EARSHOT_SIP_MAX_INVITES_PER_SECOND",
    schema: count(1),
    default: 200,
    describe: "INVITEs per second of one source address, on average over two seconds",
    atLimit: "the INVITE is answered 503 with Retry-After",
  }),
  refusalsPerSecond: setting<number>({
    env: "EARSHOT_SIP_REFUSALS_PER_SECOND",
    schema: count(1),
    default: 5,
    describe:
      "refused INVITEs told to the console (Settings, Trunks) per second, of one tenant's sources and of all strangers together; each source and reason once a minute, with its number",
    atLimit: "further ones are answered and counted in earshot_sip_invites_total, and not told",
  }),
  maxPendingInvites: setting<number>({
    env: "EARSHOT_SIP_MAX_PENDING_INVITES",
    schema: count(1),
    default: 10_000,
    describe: "INVITE transactions at once: in hand, refused and not yet acknowledged, or answered in the last 32 seconds",
    atLimit: "the INVITE is answered 503 with Retry-After, and nothing of it is kept",
  }),
  maxMessagesPerSecond: setting<number>({
    env: "EARSHOT_SIP_MAX_MESSAGES_PER_SECOND",
    schema: count(1),
    default: 3000,
    describe: "SIP messages per second of one source address, of any method",
    atLimit: "further messages are dropped unread and counted",
  }),
  maxMessageBytes: setting<number>({
    env: "EARSHOT_SIP_MAX_MESSAGE_BYTES",
    schema: count(4096),
    default: 65_536,
    describe: "bytes of one SIP message",
    atLimit: "answered 513; a TCP connection is closed",
  }),
  maxHeaders: setting<number>({
    env: "EARSHOT_SIP_MAX_HEADERS",
    schema: count(20),
    default: 200,
    describe: "header lines of one SIP message",
    atLimit: "answered 400",
  }),
  maxConnections: setting<number>({
    env: "EARSHOT_SIP_MAX_CONNECTIONS",
    schema: count(1),
    default: 1000,
    describe: "TCP and TLS connections at once",
    atLimit: "further connections are closed at once and counted",
  }),
  maxConnectionsPerSource: setting<number>({
    env: "EARSHOT_SIP_MAX_CONNECTIONS_PER_SOURCE",
    schema: count(1),
    default: 200,
    describe: "TCP and TLS connections at once of one source address",
    atLimit: "further connections are closed at once and counted",
  }),
  tlsHandshakeMs: setting<number>({
    env: "EARSHOT_SIP_TLS_HANDSHAKE_MS",
    schema: count(100),
    default: 5000,
    describe: "time a TLS handshake may take",
    atLimit: "the connection is closed and counted",
  }),
  connectionIdleMs: setting<number>({
    env: "EARSHOT_SIP_CONNECTION_IDLE_MS",
    schema: count(1000),
    default: 600_000,
    describe:
      "time without a SIP message after which a TCP or TLS connection without a call is closed; keep-alives count only where it has carried a call",
    atLimit: "the connection is closed",
  }),
  maxMediaLines: setting<number>({
    env: "EARSHOT_SIP_MAX_MEDIA_LINES",
    schema: count(1),
    default: 16,
    describe: "m-lines of one offer",
    atLimit: "answered 488",
  }),
  maxMetadataBytes: setting<number>({
    env: "EARSHOT_SIP_MAX_METADATA_BYTES",
    schema: count(1024),
    default: 65_536,
    describe: "bytes of one recording metadata document",
    atLimit: "the call is recorded without that metadata",
  }),
  maxMetadataDepth: setting<number>({
    env: "EARSHOT_SIP_MAX_METADATA_DEPTH",
    schema: count(4),
    default: 32,
    describe: "nested elements in recording metadata",
    atLimit: "the call is recorded without that metadata",
  }),
  maxMetadataElements: setting<number>({
    env: "EARSHOT_SIP_MAX_METADATA_ELEMENTS",
    schema: count(64),
    default: 4000,
    describe: "elements in recording metadata",
    atLimit: "the call is recorded without that metadata",
  }),
  maxParticipants: setting<number>({
    env: "EARSHOT_SIP_MAX_PARTICIPANTS",
    schema: count(2),
    default: 64,
    describe: "participants remembered of one call",
    atLimit: "further participants are ignored",
  }),
  maxCallMs: setting<number>({
    env: "EARSHOT_SIP_MAX_CALL_MS",
    schema: count(1000),
    default: 4 * 3_600_000,
    describe: "longest call",
    atLimit: "BYE is sent, the call ends with max_duration",
  }),
  mediaTimeoutMs: setting<number>({
    env: "EARSHOT_SIP_MEDIA_TIMEOUT_MS",
    schema: count(1000),
    default: 60_000,
    describe: "silence on the wire (no RTP on any active leg) after which a call is taken for dead",
    atLimit: "BYE is sent, the call ends with media_timeout",
  }),
  pausedTimeoutMs: setting<number>({
    env: "EARSHOT_SIP_PAUSED_TIMEOUT_MS",
    schema: count(1000),
    default: 3_600_000,
    describe: "longest time that all legs of a call may be inactive",
    atLimit: "BYE is sent, the call ends with media_timeout",
  }),
  minSessionSeconds: setting<number>({
    env: "EARSHOT_SIP_MIN_SESSION_SECONDS",
    schema: count(90),
    default: 90,
    describe: "shortest session timer accepted (RFC 4028; at least 90)",
    atLimit: "answered 422 with Min-SE",
  }),
  sessionSeconds: setting<number>({
    env: "EARSHOT_SIP_SESSION_SECONDS",
    schema: count(90),
    default: 1800,
    describe: "session timer proposed to clients that support timers and name none",
  }),
  settingsWaitMs: setting<number>({
    env: "EARSHOT_SIP_SETTINGS_WAIT_MS",
    schema: count(0),
    default: 10_000,
    describe: "longest time at the start that SIP stays closed until the tenants' settings on the event log are read",
    atLimit: "SIP opens; INVITEs are answered 503 with Retry-After until they are",
  }),
  retryAfterSeconds: setting<number>({
    env: "EARSHOT_SIP_RETRY_AFTER_SECONDS",
    schema: count(1),
    default: 5,
    describe: "Retry-After of 503 answers",
  }),
} as const;

export type { SettingsOf } from "@earshot/platform/config/settings.ts";
