/** A real Apache ZooKeeper on loopback, as the keeper of replicated tables in tests; its jars come from Maven by `zookeeper/pom.xml`. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "@earshot/platform/testing/free-port.ts";
import { jarsMissing, type MavenJars, resolveJars } from "@earshot/platform/testing/maven-jars.ts";

export const zookeeperJars: MavenJars = {
  pom: join(import.meta.dirname, "zookeeper", "pom.xml"),
  folder: process.env.EARSHOT_ZOOKEEPER_JARS ?? join(import.meta.dirname, "../../../../node_modules/.cache/zookeeper"),
  main: "zookeeper-3",
};

/** @returns why there can be none here, empty where there can. @throws Error instead with REQUIRE_SERVERS=1 */
export const zookeeperMissing = (): string => jarsMissing(zookeeperJars, "ZooKeeper");

const startMs = 30_000;

/** Resolves when it answers. `stop` ends it and deletes what it held. */
export async function startZooKeeper(): Promise<{ readonly port: number; stop(): Promise<void> }> {
  const directory = mkdtempSync(join(tmpdir(), "earshot-zookeeper-"));
  const port = await freePort();
  const file = join(directory, "zoo.cfg");
  const lines = [`dataDir=${directory}`, `clientPort=${port}`, "clientPortAddress=127.0.0.1", "admin.enableServer=false"];
  writeFileSync(file, `${[...lines, "4lw.commands.whitelist=ruok", "forceSync=no"].join("\n")}\n`);
  const options = ["-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", join(resolveJars(zookeeperJars), "*")];
  const child = spawn("java", [...options, "org.apache.zookeeper.server.ZooKeeperServerMain", file], { stdio: "ignore" });
  const ended = once(child, "exit");
  const stop = async () => {
    child.kill("SIGKILL");
    await ended;
    rmSync(directory, { recursive: true, force: true });
  };
  const end = performance.now() + startMs;
  while (!(await isWell(port))) {
    if (child.exitCode !== null || performance.now() > end) {
      await stop();
      throw new Error("ZooKeeper did not start.");
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return { port, stop };
}

/** https://zookeeper.apache.org/doc/current/zookeeperAdmin.html#sc_4lw */
function isWell(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => socket.write("ruok"));
    socket.once("data", (answer) => {
      socket.destroy();
      resolve(answer.toString() === "imok");
    });
    socket.once("error", () => resolve(false));
    socket.once("close", () => resolve(false));
  });
}
