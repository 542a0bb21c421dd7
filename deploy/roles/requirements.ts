/** What a role needs where it runs alone: what one process keeps to itself, the others cannot see. */
import type { SettingFault } from "@earshot/platform/config/settings.ts";
import type { Settings } from "./foundation.ts";
import type { RoleName } from "./role.ts";

type Need = {
  readonly env: string;
  readonly roles: readonly RoleName[];
  readonly given: (settings: Settings) => string;
  /** Is this value this process's own? */
  readonly own: (given: string) => boolean;
  readonly problem: string;
  readonly set: string;
};

const needs: readonly Need[] = [
  {
    env: "EARSHOT_EVENT_LOG",
    roles: ["sip-gateway", "media-pipeline", "analytics-ingest", "analytics-api"],
    given: ({ platform }) => platform.eventLog,
    own: (given) => given.startsWith("embedded:"),
    problem: "the embedded event log belongs to one process, and this role alone shares it with the others",
    set: "set it to kafka://host:9092, the same for every process, or run all roles in one process",
  },
  {
    env: "EARSHOT_OBJECT_STORE",
    roles: ["media-pipeline", "analytics-ingest", "analytics-api"],
    given: ({ platform }) => platform.objectStore,
    own: (given) => given === "file:",
    problem: "recordings under this process's data directory are out of the other processes' sight",
    set: "set it to s3://..., or to file:FOLDER with a folder that every process sees, the same for every process",
  },
  {
    env: "EARSHOT_COLUMN_STORE",
    roles: ["analytics-ingest", "analytics-api"],
    given: ({ store }) => store.columnStore,
    own: (given) => given.startsWith("chdb:"),
    problem: "ClickHouse in process belongs to one process, and this role alone shares it with the others",
    set: "set it to clickhouse://user:password@host:8123/database, the same for every process",
  },
  {
    env: "EARSHOT_RELATIONAL_STORE",
    roles: ["analytics-ingest", "analytics-api"],
    given: ({ store }) => store.relationalStore,
    own: (given) => given.startsWith("embedded:"),
    problem: "the embedded PostgreSQL belongs to one process, and this role alone shares it with the others",
    set: "set it to postgres://user:password@host/database, the same for every process",
  },
];

/** What is missing before `role` can run in a process of its own; stores' URLs with passwords are not repeated. */
export function roleFaults(role: RoleName, settings: Settings): SettingFault[] {
  return needs
    .filter((need) => need.roles.includes(role) && need.own(need.given(settings)))
    .map((need) => ({ env: need.env, given: need.given(settings), problem: `${need.problem} (role ${role})`, expects: need.set }));
}
