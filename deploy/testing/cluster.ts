/**
 * The product as separate processes on real servers, for fault tests: everything has a name, and is killed, stopped, paused and started again by it.
 *
 *     const cluster = await startTestCluster({ pipelines: 2 });          // clusterMissing() says why there can be none here
 *     const call = await cluster.place("gateway-1", { scenario: "sale" });
 *     await cluster.role("pipeline-1").process.kill();                    // or stop(), pause(), resume(), start()
 *     cluster.servers.kafka?.pause();                                     // the broker; cluster.servers.postgres for PostgreSQL
 *     const [record] = await cluster.settled(1, 30_000);                 // calls that are over, as the first API tells them
 *     await cluster.stop();
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { kafkaMissing } from "@earshot/platform/event-log/testing/kafka-broker.ts";
import { type ClusterOptions, type ClusterSize, planCluster, startCluster, stopCluster } from "../cluster/cluster.ts";
import { freePorts } from "../cluster/free-ports.ts";
import type { RoleProcess } from "../cluster/role-process.ts";
import { type Servers, startServers } from "../cluster/servers.ts";
import { type DemoCallHandle, type DemoCallOptions, placeDemoCall } from "../demo-pbx/demo-call.ts";
import { type CallReader, callReader } from "./call-reader.ts";
import { eventually } from "./earshot-process.ts";
import type { NetworkNamespace } from "./network-namespace.ts";

export type TestClusterOptions = Partial<ClusterSize> &
  Pick<ClusterOptions, "envOf" | "rtpPortsEach" | "script"> & {
    /** Settings of every process. */
    readonly env?: Readonly<Record<string, string>>;
    /** Processes in a network namespace of their own, by name. */
    readonly inNetwork?: Readonly<Record<string, NetworkNamespace>>;
  };

export type TestCluster = CallReader & {
  readonly servers: Servers;
  readonly roles: readonly RoleProcess[];
  /** "gateway-1", "pipeline-2", "ingest-1", "api-1" */
  role(name: string): RoleProcess;
  request(path: string, init?: RequestInit, api?: string): Promise<Response>;
  /** A demo call in G.711; resolves when audio flows. */
  place(gateway: string, options: Omit<DemoCallOptions, "recorder">): Promise<DemoCallHandle>;
  /** The sum of a metric of one process over its labels; 0 where it has none. */
  gauge(role: string, metric: string): Promise<number>;
  /** Waits until a role's readiness gives a reason that matches: what is wrong, in its own words. */
  says(role: string, reason: RegExp): Promise<void>;
  /** Waits until a role is ready and nothing of it is degraded. */
  isWell(role: string): Promise<void>;
  stop(): Promise<void>;
};

export const clusterApiKey = "ear_cluster_0123456789abcdef0123456789abcdef";

/** @returns why there can be no cluster here, empty where there can. @throws Error instead with REQUIRE_SERVERS=1 */
export function clusterMissing(): string {
  return kafkaMissing();
}

export async function startTestCluster({
  env = {},
  envOf = {},
  inNetwork = {},
  rtpPortsEach,
  script,
  ...size
}: TestClusterOptions = {}): Promise<TestCluster> {
  const directory = mkdtempSync(join(tmpdir(), "earshot-cluster-"));
  const networks = Object.entries(inNetwork);
  const ports = await freePorts(networks.length);
  const alsoOn = networks.map(([, { servicesHere }], i) => ({ address: servicesHere, port: ports[i]! }));
  const servers = await startServers(join(directory, "servers"), env, { alsoOn });
  const inside = networks.map(([name, { servicesHere, doorThere }], i) => [
    name,
    {
      EARSHOT_EVENT_LOG: `kafka://${servicesHere}:${ports[i]}`,
      EARSHOT_OPERATIONS_HOST: doorThere,
      EARSHOT_SIP_HOST: doorThere,
      EARSHOT_RTP_HOST: doorThere,
      ...envOf[name],
    },
  ]);
  const roles = await planCluster({
    size: { gateways: 1, pipelines: 2, ingests: 1, apis: 1, ...size },
    directory,
    env: {
      EARSHOT_ADMIN_API_KEY: clusterApiKey,
      EARSHOT_ADMIN_PASSWORD: "correct horse battery staple",
      EARSHOT_DRAIN_SECONDS: "1",
      // A machine that tests other things meanwhile decodes slowly.
      EARSHOT_ASR_TIMEOUT_MS: "100000",
      EARSHOT_RECOGNITION_DEADLINE_MS: "110000",
      EARSHOT_CALL_END_DEADLINE_MS: "120000",
      // Late words come within the other deadlines; nobody waits for them here.
      EARSHOT_INSIGHTS_END_GRACE_MS: "3000",
      ...env,
      ...servers.env,
    },
    envOf: { ...envOf, ...Object.fromEntries(inside) },
    throughOf: Object.fromEntries(networks.map(([name, network]) => [name, network.through])),
    rtpPortsEach,
    script,
  });
  const role = (name: string): RoleProcess => {
    const found = roles.find((each) => each.name === name);
    if (found === undefined) throw new Error(`There is no ${name}: ${roles.map((each) => each.name).join(", ")}`);
    return found;
  };
  const request = (path: string, init: RequestInit = {}, api = "api-1"): Promise<Response> =>
    fetch(`http://127.0.0.1:${role(api).ports.http}${path}`, {
      ...init,
      headers: { authorization: `Bearer ${clusterApiKey}`, ...init.headers },
    });
  const stop = async (): Promise<void> => {
    try {
      await stopCluster(roles);
    } finally {
      await servers.stop();
      rmSync(directory, { recursive: true, force: true });
    }
  };
  try {
    await startCluster(roles);
    // A gateway that does not know its tenants yet refuses calls.
    for (const each of roles)
      await eventually(
        () => each.readiness(),
        (answer) => answer?.ready === true,
        30_000,
      );
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    ...callReader((path, api) => request(path, {}, api)),
    servers,
    roles,
    role,
    request,
    place: (gateway, options) =>
      placeDemoCall({ codec: "PCMU", ...options, recorder: { address: role(gateway).host, port: role(gateway).ports.sip } }),
    async gauge(name, metric) {
      const lines = (await role(name).metrics())
        .split("\n")
        .filter((line) => line.startsWith(`${metric} `) || line.startsWith(`${metric}{`));
      return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" "))), 0);
    },
    async says(name, reason) {
      await eventually(
        async () => (await role(name).readiness())?.reasons ?? [],
        (reasons) => reasons.some((text) => reason.test(text)),
        30_000,
      );
    },
    async isWell(name) {
      await eventually(
        () => role(name).readiness(),
        (answer) => answer?.ready === true && answer.reasons.length === 0,
        60_000,
      );
    },
    stop,
  };
}
