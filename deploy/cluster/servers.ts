/** The servers that the roles of a cluster stand on, started on free ports of loopback; a URL that is given takes the place of one. */
import { randomBytes } from "node:crypto";
import { mkdirSync } from "node:fs";
import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type ClickHouseFront, startClickHouseFront } from "@earshot/analytics/store/clickhouse/testing/clickhouse-front.ts";
import { KafkaBroker, type KafkaBrokerOptions, kafkaMissing } from "@earshot/platform/event-log/testing/kafka-broker.ts";
import { EarshotError } from "@earshot/proto/errors.ts";
import { withoutPassword } from "../roles/foundation.ts";
import { freePorts } from "./free-ports.ts";
import { applicationUrl, type PostgresServer, startPostgres } from "./postgres-server.ts";

export type Servers = {
  /** What every role is given to reach them. */
  readonly env: Readonly<Record<string, string>>;
  /** What each one is, for people. */
  readonly described: Readonly<Record<string, string>>;
  /** undefined: the one that is used was given by its URL. */
  readonly kafka: KafkaBroker | undefined;
  readonly postgres: PostgresServer | undefined;
  readonly clickhouse: ClickHouseFront | undefined;
  stop(): Promise<void>;
};

/**
 * @param directory where their data lies
 * @param given settings of the operator's own (EARSHOT_EVENT_LOG and so on): what is set there is not started here
 * @throws EarshotError unavailable with how to get what is missing; what had been started is ended by then
 */
export async function startServers(
  directory: string,
  given: Readonly<Record<string, string | undefined>>,
  kafkaOptions: KafkaBrokerOptions = {},
): Promise<Servers> {
  mkdirSync(directory, { recursive: true });
  // PostgreSQL runs as a user of its own, which must pass.
  await chmod(directory, 0o755);
  const env: Record<string, string> = {};
  const described: Record<string, string> = {};
  const ends: (() => Promise<unknown>)[] = [];
  const stop = async (): Promise<void> => {
    for (const end of ends.splice(0).reverse()) await end().catch(() => {});
  };
  const take = (name: string, part: string): boolean => {
    const url = given[name];
    if (url === undefined || url === "") return false;
    env[name] = url;
    described[part] = `${withoutPassword(url)} (given)`;
    return true;
  };
  let kafka: KafkaBroker | undefined;
  let postgres: PostgresServer | undefined;
  let clickhouse: ClickHouseFront | undefined;
  try {
    if (!take("EARSHOT_EVENT_LOG", "event log")) {
      const missing = kafkaMissing();
      if (missing !== "")
        throw new EarshotError("unavailable", "kafka_missing", `A cluster needs Apache Kafka: ${missing}.`, {
          remedy: "Install Java 17 and Maven (Debian: openjdk-17-jre-headless maven), or set EARSHOT_EVENT_LOG=kafka://host:9092.",
        });
      kafka = await KafkaBroker.start(kafkaOptions);
      ends.push(() => kafka!.dispose());
      env.EARSHOT_EVENT_LOG = kafka.url;
      described["event log"] = `Apache Kafka on ${kafka.address}, pid ${kafka.pid}; its data goes when it ends`;
    }
    if (take("EARSHOT_RELATIONAL_STORE", "relational store")) take("EARSHOT_RELATIONAL_STORE_OWNER", "its owner");
    else {
      const [port] = await freePorts(1);
      postgres = await startPostgres(join(directory, "postgres"), port!, await keptPassword(directory));
      ends.push(() => postgres!.process.stop("SIGINT"));
      env.EARSHOT_RELATIONAL_STORE = await applicationUrl(postgres);
      env.EARSHOT_RELATIONAL_STORE_OWNER = postgres.url;
      described["relational store"] = `PostgreSQL of ${postgres.from} on 127.0.0.1:${port}, pid ${postgres.process.pid}`;
    }
    if (!take("EARSHOT_OBJECT_STORE", "object store")) {
      const objects = join(directory, "objects");
      await mkdir(objects, { recursive: true });
      env.EARSHOT_OBJECT_STORE = `file:${objects}`;
      described["object store"] = `file:${objects}, which every process sees`;
    }
    if (!take("EARSHOT_COLUMN_STORE", "column store")) {
      clickhouse = await startClickHouseFront({ directory: join(directory, "clickhouse") });
      ends.push(() => clickhouse!.stop());
      env.EARSHOT_COLUMN_STORE = clickhouse.url;
      described["column store"] =
        `no server: ClickHouse's engine (chDB) behind an HTTP front on 127.0.0.1:${clickhouse.port}; EARSHOT_COLUMN_STORE names a real one`;
    }
    return { env, described, kafka, postgres, clickhouse, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** One password for the life of the data. */
async function keptPassword(directory: string): Promise<string> {
  const file = join(directory, "postgres-password");
  const kept = await readFile(file, "utf8").catch(() => "");
  if (kept !== "") return kept;
  const made = randomBytes(18).toString("base64url");
  await writeFile(file, made, { mode: 0o600 });
  return made;
}
