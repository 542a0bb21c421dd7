/**
 * A real Apache Kafka broker (KRaft, broker and controller in one JVM) on loopback, for tests and benches that need one.
 *
 *     const broker = await KafkaBroker.start();      // a free port, a temporary folder
 *     broker.url                                     // kafka://127.0.0.1:PORT
 *     await broker.kill();                           // kill -9; stop() ends it in good order
 *     await broker.restart();                        // same data, same port
 *     broker.pause(); broker.resume();               // SIGSTOP, SIGCONT: a broker that hangs
 *     await broker.dispose();                        // ends it and deletes its data
 *
 * `kafkaMissing()` says why there can be none here: give it to `describe.skipIf` so that the skip is seen; with REQUIRE_SERVERS=1 it throws.
 * The jars come from Maven by `kafka/pom.xml`, once, into node_modules/.cache/kafka (or the folder in EARSHOT_KAFKA_JARS); needs Java 17.
 * One broker serves many tests: a prefix in the URL's path (`${broker.url}/test-1`) keeps their topics apart.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { jarsMissing, type MavenJars, resolveJars } from "../../testing/maven-jars.ts";
import type { Cable } from "./cable.ts";

const startMs = 60_000;

export type KafkaBrokerOptions = {
  /** SASL/PLAIN: clients log in with one of these (name to password); `admin` may do everything, the others what an ACL allows. */
  readonly users?: Readonly<Record<string, string>>;
  /** More or other lines of server.properties. */
  readonly properties?: Readonly<Record<string, string>>;
  readonly heapMb?: number;
  /** Further addresses of this machine where clients reach it, in plain text: for those in a network namespace of their own. No two with one port. */
  readonly alsoOn?: readonly { readonly address: string; readonly port: number }[];
  /** Cables through which clients reach it as well, in plain text; they are led here. */
  readonly through?: readonly Cable[];
};

const jars: MavenJars = {
  pom: join(import.meta.dirname, "kafka", "pom.xml"),
  folder: process.env.EARSHOT_KAFKA_JARS ?? join(import.meta.dirname, "../../../node_modules/.cache/kafka"),
  main: "kafka_",
};

/** Fetches the jars unless they are there. @throws Error where Maven is missing or cannot fetch them */
export function resolveKafkaJars(): string {
  return resolveJars(jars);
}

let missing: string | undefined;

/** @returns why no broker can run here, empty where one can. @throws Error instead with REQUIRE_SERVERS=1 */
export function kafkaMissing(): string {
  missing ??= jarsMissing(jars, "Kafka broker");
  return missing;
}

export class KafkaBroker {
  readonly port: number;
  readonly #directory: string;
  readonly #options: KafkaBrokerOptions;
  #process: ChildProcess | undefined;

  private constructor(directory: string, port: number, options: KafkaBrokerOptions) {
    this.#directory = directory;
    this.port = port;
    this.#options = options;
  }

  static async start(options: KafkaBrokerOptions = {}): Promise<KafkaBroker> {
    const directory = await mkdtemp(join(tmpdir(), "earshot-kafka-"));
    const { alsoOn = [], through = [] } = options;
    const [port, controllerPort, ...behind] = await freePorts(2 + through.length);
    const listeners = alsoOn.map(({ address, port: on }) => ({ listens: `${address}:${on}`, advertises: `${address}:${on}` }));
    for (const [i, cable] of through.entries()) {
      cable.leadTo(behind[i]!);
      listeners.push({ listens: `127.0.0.1:${behind[i]}`, advertises: `127.0.0.1:${cable.port}` });
    }
    const broker = new KafkaBroker(directory, port!, options);
    try {
      await writeFile(join(directory, "server.properties"), properties(directory, port!, controllerPort!, listeners, options));
      await writeFile(join(directory, "log4j2.properties"), log4j);
      await writeFile(join(directory, "format.txt"), await broker.#format());
      await broker.restart();
    } catch (error) {
      await broker.dispose();
      throw error;
    }
    return broker;
  }

  /** host:port, as clients take it. */
  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** With the first user's name and password, where there are users. */
  get url(): string {
    const [user] = Object.entries(this.#options.users ?? {});
    return `kafka://${user === undefined ? "" : `${encodeURIComponent(user[0])}:${encodeURIComponent(user[1])}@`}${this.address}`;
  }

  /** The JVM's process, for a fault harness of one's own. */
  get pid(): number {
    return this.#process?.pid ?? -1;
  }

  /** Starts the JVM where it does not run, on the same data and port. Resolves when it takes connections. */
  async restart(): Promise<void> {
    if (this.#process !== undefined) return;
    const { heapMb = 512 } = this.#options;
    const heap = [`-Xms${Math.min(128, heapMb)}m`, `-Xmx${heapMb}m`];
    const child = this.#java([...heap, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"], "kafka.Kafka", [
      join(this.#directory, "server.properties"),
    ]);
    this.#process = child;
    let output = "";
    const keep = (chunk: Buffer): void => {
      output = (output + chunk).slice(-20_000);
    };
    child.stdout?.on("data", keep);
    child.stderr?.on("data", keep);
    child.once("exit", () => {
      if (this.#process === child) this.#process = undefined;
    });
    const end = performance.now() + startMs;
    while (!(output.includes("Kafka Server started") && (await takesConnections(this.port)))) {
      if (child.exitCode !== null || child.signalCode !== null) throw new Error(`Kafka ended at its start: ${output.slice(-4000)}`);
      if (performance.now() > end) throw new Error(`Kafka did not start within ${startMs} ms: ${output.slice(-4000)}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** Ends it in good order, as a rolling restart does. */
  stop(): Promise<void> {
    this.resume();
    return this.#end("SIGTERM");
  }

  /** kill -9. */
  kill(): Promise<void> {
    return this.#end("SIGKILL");
  }

  /** It stands still, with its connections open. */
  pause(): void {
    this.#process?.kill("SIGSTOP");
  }

  resume(): void {
    this.#process?.kill("SIGCONT");
  }

  async dispose(): Promise<void> {
    await this.kill();
    await rm(this.#directory, { recursive: true, force: true });
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#process;
    if (child === undefined) return;
    const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
    child.kill(signal);
    const late = setTimeout(() => child.kill("SIGKILL"), 20_000);
    await gone;
    clearTimeout(late);
    this.#process = undefined;
  }

  #format(): Promise<string> {
    const file = join(this.#directory, "server.properties");
    const child = this.#java(["-Xmx128m", "-XX:TieredStopAtLevel=1"], "kafka.tools.StorageTool", [
      "format",
      "--cluster-id",
      randomUUID().replaceAll("-", "").slice(0, 22),
      "--config",
      file,
      "--standalone",
    ]);
    return new Promise((resolve, reject) => {
      let output = "";
      for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk: Buffer) => (output += chunk));
      child.once("error", reject);
      child.once("exit", (code) => (code === 0 ? resolve(output) : reject(new Error(`Kafka's storage could not be formatted: ${output}`))));
    });
  }

  #java(options: readonly string[], main: string, args: readonly string[]): ChildProcess {
    const log4j = `-Dlog4j2.configurationFile=${join(this.#directory, "log4j2.properties")}`;
    return spawn("java", [...options, log4j, "-cp", join(resolveKafkaJars(), "*"), main, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  }
}

const log4j = `rootLogger.level = WARN
rootLogger.appenderRef.console.ref = console
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = [%d] %p %m (%c)%n
logger.server.name = kafka.server.KafkaRaftServer
logger.server.level = INFO
`;

function properties(
  directory: string,
  port: number,
  controllerPort: number,
  others: readonly { readonly listens: string; readonly advertises: string }[],
  { users, properties: more }: KafkaBrokerOptions,
): string {
  const alsoListens = others.map(({ listens }, i) => `,OTHER${i}://${listens}`).join("");
  const alsoAdvertises = others.map(({ advertises }, i) => `,OTHER${i}://${advertises}`).join("");
  const otherProtocols = others.map((_, i) => `,OTHER${i}:PLAINTEXT`).join("");
  const protocol = users === undefined ? "PLAINTEXT" : "SASL_PLAINTEXT";
  const plain = "org.apache.kafka.common.security.plain.PlainLoginModule required";
  const logins = Object.entries(users ?? {}).map(([name, password]) => `user_${name}="${password}"`);
  const lines = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.quorum.bootstrap.servers": `127.0.0.1:${controllerPort}`,
    listeners: `CLIENT://127.0.0.1:${port}${alsoListens},CONTROLLER://127.0.0.1:${controllerPort}`,
    "advertised.listeners": `CLIENT://127.0.0.1:${port}${alsoAdvertises},CONTROLLER://127.0.0.1:${controllerPort}`,
    "listener.security.protocol.map": `CLIENT:${protocol}${otherProtocols},CONTROLLER:PLAINTEXT`,
    "inter.broker.listener.name": "CLIENT",
    "controller.listener.names": "CONTROLLER",
    "log.dirs": join(directory, "data"),
    "auto.create.topics.enable": "false",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    // A broker that was killed is let in again when the controller has given up the one before it: after 9 s by default, and the tests wait.
    "broker.session.timeout.ms": "4000",
    "broker.heartbeat.interval.ms": "500",
    "log.retention.bytes": `${64 * 1024 * 1024}`,
    "log.retention.check.interval.ms": "1000",
    "log.cleaner.backoff.ms": "1000",
    "log.cleaner.dedupe.buffer.size": `${4 * 1024 * 1024}`,
    "log.cleaner.threads": "1",
    "num.network.threads": "2",
    "num.io.threads": "2",
    "background.threads": "2",
    "controlled.shutdown.enable": "false",
    ...(users === undefined
      ? {}
      : {
          "sasl.enabled.mechanisms": "PLAIN",
          "sasl.mechanism.inter.broker.protocol": "PLAIN",
          "listener.name.client.plain.sasl.jaas.config": `${plain} username="admin" password="${users.admin}" ${logins.join(" ")};`,
          "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
          "super.users": "User:admin;User:ANONYMOUS",
        }),
    ...more,
  };
  return Object.entries(lines)
    .map(([name, value]) => `${name}=${value}\n`)
    .join("");
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  const ports = await Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((resolve, reject) => {
          server.once("error", reject);
          server.listen(0, "127.0.0.1", () => resolve((server.address() as { port: number }).port));
        }),
    ),
  );
  for (const server of servers) server.close();
  return ports;
}

function takesConnections(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
