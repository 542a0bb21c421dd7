import { setting } from "@earshot/platform/config/settings.ts";
import { z } from "zod";

export const postgresSettings = {
  poolSize: setting({
    env: "EARSHOT_POSTGRES_POOL",
    schema: z.coerce.number().int().min(2).max(200),
    default: 10,
    describe: "Connections to PostgreSQL kept at most, by each process.",
    atLimit: "Queries wait for a free connection, up to the query timeout; then the request is answered 503.",
  }),
  queryTimeoutMs: setting({
    env: "EARSHOT_POSTGRES_TIMEOUT_MS",
    schema: z.coerce.number().int().min(100).max(600_000),
    default: 10_000,
    describe: "How long one query of the relational store, or the wait for a connection, may take (ms).",
    atLimit: "The query is cancelled and the request answered 504; 503 where no connection came, or the server does not even cancel.",
  }),
  migrationTimeoutMs: setting({
    env: "EARSHOT_POSTGRES_MIGRATION_TIMEOUT_MS",
    schema: z.coerce.number().int().min(1000).max(86_400_000),
    default: 300_000,
    describe: "How long a start may wait for another process that migrates PostgreSQL, and one migration may take (ms).",
    atLimit: "The process does not start and says why; of an unfinished migration nothing stays.",
  }),
};
