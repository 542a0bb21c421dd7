/**
 * The product as separate processes on real servers, for fault tests: everything has a name, and is killed, stopped, paused and started again by it.
 *
 *     const cluster = await startTestCluster({ pipelines: 2 });          // clusterMissing() says why there can be none here
 *     const call = await cluster.place("gateway-1", { scenario: "sale" });
 *     await cluster.role("pipeline-1").process.kill();                    // or stop(), pause(), resume(), start()
 *     cluster.servers.kafka?.pause();                                     // the broker; cluster.servers.postgres for PostgreSQL
 *     const [record] = await cluster.settled(1, 30_000);                 // through any API
 *     await cluster.stop();
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { kafkaMissing } from "@earshot/platform/event-log/testing/kafka-broker.ts";
import type { CallDetail, CallSummary, LedgerStage, Segment } from "@earshot/proto/api/calls.ts";
import { type ClusterSize, planCluster, startCluster, stopCluster } from "../cluster/cluster.ts";
import type { RoleProcess } from "../cluster/role-process.ts";
import { type Servers, startServers } from "../cluster/servers.ts";
import { type DemoCallHandle, type DemoCallOptions, placeDemoCall } from "../demo-pbx/demo-call.ts";
import { eventually } from "./earshot-process.ts";

type List<T> = { data: T[]; total: number };

export type TestClusterOptions = Partial<ClusterSize> & {
  /** Settings of every process. */
  readonly env?: Readonly<Record<string, string>>;
  /** Settings of one process, by its name. */
  readonly envOf?: Readonly<Record<string, Readonly<Record<string, string>>>>;
};

export type TestCluster = {
  readonly servers: Servers;
  readonly roles: readonly RoleProcess[];
  /** "gateway-1", "pipeline-2", "ingest-1", "api-1" */
  role(name: string): RoleProcess;
  /** GET of an API, the first where none is named. @throws where the answer is not 2xx */
  get<T>(path: string, api?: string): Promise<T>;
  request(path: string, init?: RequestInit, api?: string): Promise<Response>;
  /** A demo call in G.711; resolves when audio flows. */
  place(gateway: string, options: Omit<DemoCallOptions, "recorder">): Promise<DemoCallHandle>;
  calls(api?: string): Promise<CallSummary[]>;
  /** Waits until `count` calls are recorded, all ended by name and with a ledger in which nothing is under way. */
  settled(count: number, ms: number, api?: string): Promise<CallDetail[]>;
  transcript(callId: string, api?: string): Promise<Segment[]>;
  /** The sum of a metric of one process over its labels; 0 where it has none. */
  gauge(role: string, metric: string): Promise<number>;
  /** The final recording, WAV. */
  recording(callId: string, ms: number, api?: string): Promise<Buffer>;
  stop(): Promise<void>;
};

export const clusterApiKey = "ear_cluster_0123456789abcdef0123456789abcdef";

/** @returns why there can be no cluster here, empty where there can. @throws Error instead with REQUIRE_SERVERS=1 */
export function clusterMissing(): string {
  return kafkaMissing();
}

export async function startTestCluster({ env = {}, envOf, ...size }: TestClusterOptions = {}): Promise<TestCluster> {
  const directory = mkdtempSync(join(tmpdir(), "earshot-cluster-"));
  const servers = await startServers(join(directory, "servers"), env);
  const roles = await planCluster({
    size: { gateways: 1, pipelines: 2, ingests: 1, apis: 1, ...size },
    directory,
    env: {
      EARSHOT_ADMIN_API_KEY: clusterApiKey,
      EARSHOT_ADMIN_PASSWORD: "correct horse battery staple",
      EARSHOT_DRAIN_SECONDS: "1",
      ...env,
      ...servers.env,
    },
    envOf,
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
  const get = async <T>(path: string, api?: string): Promise<T> => {
    const answer = await request(path, {}, api);
    if (!answer.ok) throw new Error(`GET ${path}: ${answer.status} ${await answer.text()}`);
    return (await answer.json()) as T;
  };
  const calls = async (api?: string): Promise<CallSummary[]> => (await get<List<CallSummary>>("/api/v1/calls?perPage=100", api)).data;
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
  const isUnderWay = ({ outcome }: LedgerStage): boolean => outcome === "running" || outcome === "pending";
  return {
    servers,
    roles,
    role,
    request,
    get,
    calls,
    place: (gateway, options) =>
      placeDemoCall({ codec: "PCMU", ...options, recorder: { address: "127.0.0.1", port: role(gateway).ports.sip } }),
    async settled(count, ms, api) {
      const ended = await eventually(
        () => calls(api),
        (found) => found.length === count && found.every(({ endedAt }) => endedAt !== null),
        ms,
      );
      for (const { id } of ended)
        await eventually(
          async () => (await get<List<LedgerStage>>(`/api/v1/calls/${id}/ledger`, api)).data,
          (stages) => stages.length > 0 && !stages.some(isUnderWay),
          ms,
        );
      const details: CallDetail[] = [];
      for (const { id } of ended) details.push(await get<CallDetail>(`/api/v1/calls/${id}`, api));
      return details;
    },
    transcript: async (callId, api) => (await get<List<Segment>>(`/api/v1/calls/${callId}/transcript`, api)).data,
    async gauge(name, metric) {
      const lines = (await role(name).metrics())
        .split("\n")
        .filter((line) => line.startsWith(`${metric} `) || line.startsWith(`${metric}{`));
      return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" "))), 0);
    },
    async recording(callId, ms, api) {
      const answer = await eventually(
        () => request(`/api/v1/calls/${callId}/recording`, {}, api),
        ({ status }) => status === 200,
        ms,
      );
      return Buffer.from(await answer.arrayBuffer());
    },
    stop,
  };
}
