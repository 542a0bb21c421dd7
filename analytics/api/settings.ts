import { setting } from "@earshot/platform/config/settings.ts";
import { cidr } from "@earshot/proto/api/administration.ts";
import { z } from "zod";
import type { ProxyTrust } from "../access/client-address.ts";
import { liveSettings } from "../live/settings.ts";

const whole = (min: number, max: number) => z.coerce.number().int().min(min).max(max);

/** The web server, the API and its live socket. */
export const apiSettings = {
  ...liveSettings,
  httpPort: setting({
    env: "EARSHOT_HTTP_PORT",
    schema: whole(0, 65_535),
    default: 8080,
    describe: "Port of the web pages, the API, /metrics, /healthz and /readyz; 0 = any free one.",
  }),
  httpHost: setting({
    env: "EARSHOT_HTTP_HOST",
    schema: z.string().min(1).max(253),
    default: "0.0.0.0",
    describe: "Address that the web server binds.",
  }),
  adminPassword: setting<string | undefined>({
    env: "EARSHOT_ADMIN_PASSWORD",
    schema: z.string().min(1).max(200),
    default: undefined,
    describe:
      "Password of the first administrator, admin@localhost; used on the very first start only. Unset: a one-time password is printed.",
    secret: true,
  }),
  adminApiKey: setting<string | undefined>({
    env: "EARSHOT_ADMIN_API_KEY",
    schema: z.string().regex(/^[\x21-\x7e]{1,500}$/, "must be printable ASCII without spaces"),
    default: undefined,
    describe: "An API key of the first tenant, for Authorization: Bearer; kept in step at every start, and withdrawn when unset.",
    secret: true,
  }),
  publicOrigins: setting<string[]>({
    env: "EARSHOT_PUBLIC_ORIGINS",
    schema: z
      .string()
      .transform((text) => text.split(",").map((origin) => origin.trim()))
      .pipe(z.array(z.url())),
    default: [],
    describe: "Further origins (https://host) under which the pages are served, where a proxy changes the Host header; comma-separated.",
  }),
  trustProxy: setting<ProxyTrust>({
    env: "EARSHOT_TRUST_PROXY",
    schema: z.union([
      z.stringbool().transform((on) => (on ? 1 : 0)),
      whole(0, 10),
      z
        .string()
        .transform((text) => text.split(",").map((address) => address.trim()))
        .pipe(z.array(cidr)),
    ]),
    default: 0,
    describe:
      "Reverse proxies whose X-Forwarded-* tell the client's address and scheme: how many stand in a row before Earshot (true = 1), or their addresses and networks, comma-separated.",
  }),
  sessionHours: setting({
    env: "EARSHOT_SESSION_HOURS",
    schema: z.coerce.number().min(0.1).max(720),
    default: 12,
    describe: "How long a login lasts (hours).",
    atLimit: "The session ends; the person logs in again.",
  }),
  loginsPerMinute: setting({
    env: "EARSHOT_LOGINS_PER_MINUTE",
    schema: whole(1, 1000),
    default: 5,
    describe: "Failed logins per minute of one source address and account; twenty times that per source over all accounts.",
    atLimit: "429 with Retry-After, also for the right password.",
  }),
  requestsPerMinute: setting({
    env: "EARSHOT_REQUESTS_PER_MINUTE",
    schema: whole(10, 10_000_000),
    default: 12_000,
    describe: "API requests of one source address per minute; calls over gRPC are counted apart.",
    atLimit: "429 with Retry-After.",
  }),
  bodyBytes: setting({
    env: "EARSHOT_HTTP_BODY_BYTES",
    schema: whole(10_000, 100_000_000),
    default: 1_000_000,
    describe: "Size of one request body.",
    atLimit: "413; nothing of it is taken.",
  }),
  requestSeconds: setting({
    env: "EARSHOT_HTTP_REQUEST_SECONDS",
    schema: whole(1, 600),
    default: 30,
    describe: "How long a client may take to send its request (seconds).",
    atLimit: "The connection is closed.",
  }),
  listeningMinutes: setting({
    env: "EARSHOT_LISTENING_MINUTES",
    schema: z.coerce.number().min(0).max(1440),
    default: 10,
    describe:
      "Requests for one call's recording, by one person or key from one address, count as one listening on the audit log for so long (minutes).",
    atLimit: "The next request is written as another listening.",
  }),
  extensionsPerTenant: setting({
    env: "EARSHOT_EXTENSIONS",
    schema: whole(1, 1_000_000),
    default: 2500,
    describe:
      "Extensions of one tenant; all of them travel in one record (EARSHOT_EVENT_LOG_MAX_RECORD_BYTES: some 400 bytes each at most).",
    atLimit: "A further one is refused with 402; of an import, the lines beyond.",
  }),
  deadLettersListed: setting({
    env: "EARSHOT_DEAD_LETTERS_LISTED",
    schema: whole(10, 100_000),
    default: 2000,
    describe: "Records that could not be handled, kept in the list of the queue page, of all tenants together.",
    atLimit: "The oldest is not listed any more; it stays on the log until its retention ends.",
  }),
};
