/** Where a process that runs one role alone answers /healthz, /readyz and /metrics. */
import { type SettingsOf, setting, z } from "../config/settings.ts";

export const operationsSettings = {
  operationsPort: setting({
    env: "EARSHOT_OPERATIONS_PORT",
    schema: z.coerce.number().int().min(0).max(65_535),
    default: 9464,
    describe:
      "port of /healthz, /readyz and /metrics of a process that runs one role alone; 0 takes a free one. All roles in one process: they are on EARSHOT_HTTP_PORT",
  }),
  operationsHost: setting({
    env: "EARSHOT_OPERATIONS_HOST",
    schema: z.union([z.ipv4(), z.ipv6()]),
    default: "127.0.0.1",
    describe:
      "address that port is bound to. It asks for no login and tells no caller's data; bind it beyond this machine only on a network of your own, for probes and Prometheus",
  }),
} as const;

export type OperationsSettings = SettingsOf<typeof operationsSettings>;
