/** The platform's settings: where data lies, how much is logged, and the limits of the event log and the object store. */
import { type SettingsOf, setting, z } from "./config/settings.ts";

const MiB = 1024 * 1024;
const count = (min: number, max: number) => z.coerce.number().int().min(min).max(max);

export const platformSettings = {
  dataDir: setting({
    env: "EARSHOT_DATA_DIR",
    schema: z.string().min(1),
    default: "./data",
    describe: "folder that holds everything this installation keeps",
  }),
  logLevel: setting({
    env: "EARSHOT_LOG_LEVEL",
    schema: z.enum(["debug", "info", "warn", "error", "silent"]),
    default: "info" as const,
    describe: "debug, info, warn, error or silent",
  }),
  eventLog: setting({
    env: "EARSHOT_EVENT_LOG",
    schema: z.string().regex(/^(embedded:|kafkas?:\/\/)/, "is not an event log this version knows"),
    default: "embedded:",
    describe:
      "embedded:FOLDER (embedded: alone = event-log under EARSHOT_DATA_DIR), or kafka://[USER:PASSWORD@]HOST:PORT[,HOST:PORT][/PREFIX] (SASL PLAIN; kafkas: for TLS; PREFIX. stands before the names of topics and groups)",
    secret: true,
  }),
  kafkaPartitions: setting({
    env: "EARSHOT_KAFKA_PARTITIONS",
    schema: count(1, 1000),
    default: 12,
    describe:
      "least number of partitions of the topics that are keyed by call, on Kafka (1 to 1000): how many workers can share them. Fixed once they exist",
  }),
  serviceBeatMs: setting({
    env: "EARSHOT_SERVICE_BEAT_MS",
    schema: count(100, 600_000),
    default: 5000,
    describe: "how often a process says on the event log that it is there and how it is (100 to 600000 ms); the same for every process",
    atLimit: "one that has not been heard of for three times as long is shown as gone",
  }),
  mediaRetentionMiB: setting({
    env: "EARSHOT_MEDIA_RETENTION_MIB",
    schema: count(64, 10_000_000),
    default: 2048,
    describe:
      "audio that the event log keeps for workers that are behind or away, in MiB, over all partitions and for 15 minutes at most; the same for every process. 1000 calls fill some 13 MiB a second",
    atLimit: "the oldest audio goes first, heard or not; what no worker had heard is counted and said on the call's ledger",
  }),
  kafkaReplicas: setting({
    env: "EARSHOT_KAFKA_REPLICAS",
    schema: z.coerce.number().int().min(-1).max(100),
    default: -1,
    describe: "replicas of each topic on Kafka (-1 = the brokers' default.replication.factor)",
  }),
  kafkaSessionMs: setting({
    env: "EARSHOT_KAFKA_SESSION_MS",
    schema: count(1000, 600_000),
    default: 6000,
    describe:
      "how long a worker may be silent before Kafka gives its partitions to the others, and without an answer of Kafka before it counts them as given (1000 to 600000 ms; the brokers' group.min.session.timeout.ms is the least)",
  }),
  kafkaIntervalMs: setting({
    env: "EARSHOT_KAFKA_INTERVAL_MS",
    schema: count(0, 1000),
    default: 20,
    describe:
      "least time between two requests of a process that write events to Kafka, and between two that read (0 to 1000 ms). More makes words later, less costs CPU here and at the broker",
    atLimit: "what comes in between goes in the next request; a full one waits for nothing",
  }),
  kafkaMediaIntervalMs: setting({
    env: "EARSHOT_KAFKA_MEDIA_INTERVAL_MS",
    schema: count(0, 1000),
    default: 40,
    describe: "least time between two requests of a gateway that write audio to Kafka (0 to 1000 ms)",
    atLimit: "what comes in between goes in the next request; a full one waits for nothing",
  }),
  objectStore: setting({
    env: "EARSHOT_OBJECT_STORE",
    schema: z
      .string()
      .regex(/^(file:|s3:\/\/[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](\/[A-Za-z0-9._/-]*)?$)/, "is not an object store this version knows"),
    default: "file:",
    describe: "file:FOLDER (file: alone = objects under EARSHOT_DATA_DIR) or s3://BUCKET/PREFIX, with the EARSHOT_S3 settings",
  }),
  s3Endpoint: setting({
    env: "EARSHOT_S3_ENDPOINT",
    schema: z.union([z.literal(""), z.url({ protocol: /^https?$/ })]),
    default: "",
    describe: "URL of an S3 server of your own (path-style addresses are used then); empty = Amazon's, by region",
  }),
  s3Region: setting({ env: "EARSHOT_S3_REGION", schema: z.string().min(1), default: "us-east-1", describe: "region of the bucket" }),
  s3AccessKeyId: setting({
    env: "EARSHOT_S3_ACCESS_KEY_ID",
    schema: z.string(),
    default: "",
    describe: "access key; empty = what the AWS SDK finds by itself (environment, profile, instance role)",
    secret: true,
  }),
  s3SecretAccessKey: setting({
    env: "EARSHOT_S3_SECRET_ACCESS_KEY",
    schema: z.string(),
    default: "",
    describe: "secret of that key",
    secret: true,
  }),
  s3PartBytes: setting({
    env: "EARSHOT_S3_PART_BYTES",
    schema: count(5 * MiB, 512 * MiB),
    default: 8 * MiB,
    describe: "bytes of an object that are sent at once, 5 MB to 512 MB; each upload under way holds two such parts in memory",
    atLimit: "a larger object is uploaded in parts, at most 10,000 of them",
  }),
  s3TimeoutMs: setting({
    env: "EARSHOT_S3_TIMEOUT_MS",
    schema: count(100, 600_000),
    default: 10_000,
    describe: "how long the S3 server may be silent, to connect and to answer (100 to 600000 ms)",
    atLimit: "the request is tried again, three times in all, then fails with object_store_failed",
  }),
  maxRecordBytes: setting({
    env: "EARSHOT_EVENT_LOG_MAX_RECORD_BYTES",
    schema: count(1024, 64 * MiB),
    default: MiB,
    describe: "largest record, 1 kB to 64 MB",
    atLimit: "append and publish throw event_log_record_too_large",
  }),
  writeBufferBytes: setting({
    env: "EARSHOT_EVENT_LOG_WRITE_BUFFER_BYTES",
    schema: count(64 * 1024, 4096 * MiB),
    default: 64 * MiB,
    describe: "bytes appended and not yet written, over all topics, 64 kB to 4 GB",
    atLimit: "append returns false and publish waits",
  }),
  spoolBytes: setting({
    env: "EARSHOT_EVENT_LOG_SPOOL_BYTES",
    schema: count(64 * 1024, 1024 * 1024 * MiB),
    default: 4096 * MiB,
    describe: "bytes a gateway keeps on its own disk while the event log is away, 64 kB to 1 TB",
    atLimit: "records are dropped and counted (earshot_event_log_shed_total) until there is room",
  }),
  tailBytes: setting({
    env: "EARSHOT_EVENT_LOG_TAIL_BYTES",
    schema: count(256 * 1024, 1024 * MiB),
    default: 24 * MiB,
    describe: "bytes of all partitions together that stay in memory for readers at the head of the log, 256 kB to 1 GB",
    atLimit: "the oldest records are read from their file",
  }),
  segmentBytes: setting({
    env: "EARSHOT_EVENT_LOG_SEGMENT_BYTES",
    schema: count(64 * 1024, 1024 * MiB),
    default: 64 * MiB,
    describe: "size of one segment file, 64 kB to 1 GB; smaller where a topic may keep little",
    atLimit: "a new segment file is begun",
  }),
  writeDelayMs: setting({
    env: "EARSHOT_EVENT_LOG_WRITE_DELAY_MS",
    schema: count(0, 1000),
    default: 3,
    describe: "how long appended records are collected before they are written (0 to 1000 ms); publish and flush do not wait for it",
  }),
  syncIntervalMs: setting({
    env: "EARSHOT_EVENT_LOG_SYNC_INTERVAL_MS",
    schema: count(1, 60_000),
    default: 200,
    describe:
      "how often appended records are synced to disk (1 to 60000 ms): what a power cut may cost. A killed process costs nothing that was written; publish syncs at once",
  }),
  offsetIntervalMs: setting({
    env: "EARSHOT_EVENT_LOG_OFFSET_INTERVAL_MS",
    schema: count(10, 60_000),
    default: 500,
    describe: "how often the positions of consumer groups are stored (10 to 60000 ms): what is handled twice after a crash",
  }),
  retentionIntervalMs: setting({
    env: "EARSHOT_EVENT_LOG_RETENTION_INTERVAL_MS",
    schema: count(10, 3_600_000),
    default: 15_000,
    describe: "how often old segments are looked for (10 to 3600000 ms)",
  }),
  retryFirstMs: setting({
    env: "EARSHOT_EVENT_LOG_RETRY_FIRST_MS",
    schema: count(1, 60_000),
    default: 100,
    describe: "pause before a failed record is tried again, doubled each time (1 to 60000 ms)",
  }),
  retryMaxMs: setting({
    env: "EARSHOT_EVENT_LOG_RETRY_MAX_MS",
    schema: count(1, 600_000),
    default: 5000,
    describe: "longest pause between two tries (1 to 600000 ms)",
  }),
  maxObjectBytes: setting({
    env: "EARSHOT_OBJECT_STORE_MAX_BYTES",
    schema: count(1024, 1024 * 1024 * MiB),
    default: 4096 * MiB,
    describe: "largest object, 1 kB to 1 TB",
    atLimit: "put throws object_too_large and stores nothing",
  }),
} as const;

export type PlatformSettings = SettingsOf<typeof platformSettings>;
export type EventLogSettings = Pick<
  PlatformSettings,
  | "maxRecordBytes"
  | "writeBufferBytes"
  | "tailBytes"
  | "segmentBytes"
  | "writeDelayMs"
  | "syncIntervalMs"
  | "offsetIntervalMs"
  | "retentionIntervalMs"
  | "retryFirstMs"
  | "retryMaxMs"
  | "kafkaPartitions"
  | "kafkaReplicas"
  | "kafkaSessionMs"
  | "kafkaIntervalMs"
  | "kafkaMediaIntervalMs"
>;

/** Every setting's default, for tests and benches. */
export function defaultPlatformSettings(): PlatformSettings {
  return Object.fromEntries(Object.entries(platformSettings).map(([name, spec]) => [name, spec.default])) as unknown as PlatformSettings;
}
