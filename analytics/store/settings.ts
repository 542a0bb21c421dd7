/** Settings of the two stores. Every limit says what happens when it is reached. */
import { setting } from "@earshot/platform/config/settings.ts";
import { z } from "zod";

export const storeSettings = {
  columnStore: setting({
    env: "EARSHOT_COLUMN_STORE",
    schema: z
      .string()
      .regex(/^(chdb:|clickhouses?:\/\/|https?:\/\/)/, "begins with chdb:, clickhouse://, clickhouses://, http:// or https://"),
    default: "chdb:",
    describe:
      'where calls and transcripts are kept: "chdb:DIR" (in process; no DIR = under the data directory) or "clickhouse://user:password@host:8123/database"',
    secret: true,
  }),
  columnStoreCluster: setting({
    env: "EARSHOT_COLUMN_STORE_CLUSTER",
    schema: z.string().regex(/^[\w.-]*$/, "is letters, digits and _ . -"),
    default: "",
    describe:
      'name of the ClickHouse cluster (one shard, any number of replicas) on which tables are made, replicated; EARSHOT_COLUMN_STORE then names the replicas: "clickhouse://user:password@one:8123,two:8123,three:8123/database". Empty = one server',
  }),
  columnStoreQuorum: setting({
    env: "EARSHOT_COLUMN_STORE_QUORUM",
    schema: z.string().regex(/^(auto|[1-9]\d?)$/, "is auto or a number from 1 to 99"),
    default: "auto",
    describe:
      "replicas of the cluster that must have an insert before it counts as stored; auto = more than half of them (of two both). 1 = the one that is asked: goes on where others are away, and may miss what only they have until they are back",
    atLimit: "with fewer replicas up, history and search wait, and nothing is lost: the event log keeps it",
  }),
  relationalStore: setting({
    env: "EARSHOT_RELATIONAL_STORE",
    schema: z.string().regex(/^(embedded:|postgres(ql)?:\/\/)/, "begins with embedded: or postgres://"),
    default: "embedded:",
    describe:
      'where tenants and people are kept: "embedded:DIR" (started by Earshot; no DIR = under the data directory) or "postgres://user:password@host/database" of a role that is bound by row-level security (no superuser, no BYPASSRLS)',
    secret: true,
  }),
  relationalStoreOwner: setting({
    env: "EARSHOT_RELATIONAL_STORE_OWNER",
    schema: z.string().regex(/^postgres(ql)?:\/\//, "begins with postgres://"),
    default: "",
    describe:
      "the same database as another role, its owner, who makes and changes tables at the start and does nothing else; without it the role of EARSHOT_RELATIONAL_STORE does that, where it may",
    secret: true,
  }),
  columnStoreConnections: setting({
    env: "EARSHOT_COLUMN_STORE_CONNECTIONS",
    schema: z.coerce.number().int().min(1).max(64),
    default: 4,
    describe: "queries of the column store that run at the same time",
    atLimit: "further queries wait in line",
  }),
  columnStoreQueue: setting({
    env: "EARSHOT_COLUMN_STORE_QUEUE",
    schema: z.coerce.number().int().min(1).max(10_000),
    default: 200,
    describe: "queries that wait for a free connection of the column store",
    atLimit: "the request is answered 429 with Retry-After",
  }),
  columnStoreQuerySeconds: setting({
    env: "EARSHOT_COLUMN_STORE_QUERY_SECONDS",
    schema: z.coerce.number().min(0.1).max(600),
    default: 10,
    describe: "longest time of one query of the column store, in seconds",
    atLimit: "the engine ends the query, the request is answered 504",
  }),
  columnStoreQueryThreads: setting({
    env: "EARSHOT_COLUMN_STORE_QUERY_THREADS",
    schema: z.coerce.number().int().min(1).max(64),
    default: 2,
    describe: "threads of one query of the column store; a page needs up to three queries side by side",
    atLimit: "a query uses no more than these",
  }),
  columnStoreQueryMiB: setting({
    env: "EARSHOT_COLUMN_STORE_QUERY_MIB",
    schema: z.coerce.number().int().min(64).max(65_536),
    default: 1024,
    describe: "memory of one query of the column store, in MiB",
    atLimit: "the engine ends the query, the request is answered 503",
  }),
  columnStoreAsyncRows: setting({
    env: "EARSHOT_COLUMN_STORE_ASYNC_ROWS",
    schema: z.coerce.number().int().min(0).max(100_000),
    default: 0,
    describe:
      "inserts into a ClickHouse server with fewer rows than this are asynchronous ones, which the server puts together (and are waited for); 0 = none. For many ingest processes with few calls each: the server refuses writers that make too many small parts",
    atLimit: "larger inserts are written at once",
  }),
  replacedPartSeconds: setting({
    env: "EARSHOT_COLUMN_STORE_REPLACED_PART_SECONDS",
    schema: z.coerce.number().int().min(1).max(3600),
    default: 1,
    describe:
      "how long the engine in process keeps data parts that a merge has replaced, in seconds, and up to 3 more until it looks; each takes some 50 kB of memory",
    atLimit: "the part is deleted; the merged one that has taken its place is synced to disk before",
  }),
  liveCallStates: setting({
    env: "EARSHOT_INGEST_CALL_STATES",
    schema: z.coerce.number().int().min(100).max(1_000_000),
    default: 20_000,
    describe: "calls whose merged state is kept in memory",
    atLimit: "the call untouched for longest is forgotten, and read back from the store when its next event comes",
  }),
  retentionSweepMinutes: setting({
    env: "EARSHOT_RETENTION_SWEEP_MINUTES",
    schema: z.coerce.number().min(0.01).max(1440),
    default: 60,
    describe: "how often calls are looked for that their tenant keeps no longer, or whose end never came, in minutes",
    atLimit: "up to 50000 calls of a tenant go at once, the rest at the next sweep",
  }),
  unendedCallHours: setting({
    env: "EARSHOT_UNENDED_CALL_HOURS",
    schema: z.coerce.number().min(0.01).max(8760),
    default: 24,
    describe: "how long nothing new may be known of a call whose end never came, in hours, however long its tenant keeps calls",
    atLimit:
      "the gateways are asked for the call; where none has answered that it is up by the next look (EARSHOT_RETENTION_SWEEP_MINUTES), and not before ten minutes, it is ended as gateway_lost",
  }),
  ingestBatchRows: setting({
    env: "EARSHOT_INGEST_BATCH_ROWS",
    schema: z.coerce.number().int().min(1).max(100_000),
    default: 10_000,
    describe: "events written to the column store at once",
    atLimit: "the batch is written without waiting for more",
  }),
  ingestBatchMs: setting({
    env: "EARSHOT_INGEST_BATCH_MS",
    schema: z.coerce.number().int().min(10).max(10_000),
    default: 500,
    describe: "longest wait of an event for others to share its batch, in milliseconds",
    atLimit: "the batch is written as it is",
  }),
};
