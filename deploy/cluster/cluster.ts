/** The product as separate processes on one machine: which roles, how many of each, on which ports, in what order. */
import { generateToken } from "@earshot/platform/secrets/token.ts";
import type { RoleName } from "../roles/role.ts";
import { freePorts } from "./free-ports.ts";
import { RoleProcess } from "./role-process.ts";

export type ClusterSize = { readonly gateways: number; readonly pipelines: number; readonly ingests: number; readonly apis: number };

export type ClusterOptions = {
  readonly size: ClusterSize;
  readonly directory: string;
  /** Of every process: where the servers are, and settings. */
  readonly env: Readonly<Record<string, string>>;
  /** Further settings of one process, by its name. */
  readonly envOf?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** What runs one process, by its name: see RoleProcessOptions. */
  readonly throughOf?: Readonly<Record<string, readonly string[]>>;
  /** Ports that are to be these, where they are free; every other one is any free one. */
  readonly sipPort?: number;
  readonly httpPort?: number;
  /** UDP ports of each gateway, four for a call; 200 where it is not given. */
  readonly rtpPortsEach?: number;
  /** In place of deploy/main.ts: a module that takes the same arguments. */
  readonly script?: string;
  readonly onOutput?: (name: string, text: string) => void;
  readonly onDeath?: (role: RoleProcess, how: string) => void;
};

const kinds = [
  ["analytics-api", "api", "apis"],
  ["analytics-ingest", "ingest", "ingests"],
  ["media-pipeline", "pipeline", "pipelines"],
  ["sip-gateway", "gateway", "gateways"],
] as const satisfies readonly (readonly [RoleName, string, keyof ClusterSize])[];

const usualRtpPorts = 200;

/** Starts nothing. In start order: what shows and stores calls before what makes them words, the doors last. */
export async function planCluster(options: ClusterOptions): Promise<RoleProcess[]> {
  const { size, directory, env, envOf = {}, throughOf = {}, rtpPortsEach = usualRtpPorts, script, onOutput, onDeath } = options;
  const roles: RoleProcess[] = [];
  const count = kinds.reduce((sum, [, , many]) => sum + size[many], 0);
  const free = await freePorts(count * 4);
  // For as long as these processes are started again; who starts anew has nothing that could be resumed.
  const cursorSecret = globalThis.process.env.EARSHOT_LIVE_CURSOR_SECRET || generateToken("cursor");
  const rtpBase = 30_000 + Math.floor(Math.random() * 40) * usualRtpPorts;
  for (const [role, one, many] of kinds) {
    for (let i = 1; i <= size[many]; i++) {
      const name = `${one}-${i}`;
      const rtpFrom = rtpBase + (i - 1) * rtpPortsEach;
      const [operations, sip, http, grpc] = free.splice(0, 4) as [number, number, number, number];
      const process: RoleProcess = new RoleProcess({
        role,
        name,
        directory,
        script,
        ports: {
          operations,
          sip: i === 1 ? (options.sipPort ?? sip) : sip,
          http: i === 1 ? (options.httpPort ?? http) : http,
          grpc,
          rtpFrom,
          rtpTo: rtpFrom + rtpPortsEach - 1,
        },
        env: { ...(role === "analytics-api" ? { EARSHOT_LIVE_CURSOR_SECRET: cursorSecret } : {}), ...env, ...envOf[name] },
        through: throughOf[name],
        onOutput: onOutput === undefined ? undefined : (text) => onOutput(name, text),
        onDeath: onDeath === undefined ? undefined : (how) => onDeath(process, how),
      });
      roles.push(process);
    }
  }
  return roles;
}

/** One API first: it prepares the stores and tells the gateways their settings; all others then start side by side. */
export async function startCluster(roles: readonly RoleProcess[]): Promise<void> {
  const [first, ...others] = roles;
  await first?.process.start();
  await Promise.all(others.map((role) => role.process.start()));
}

/** The doors first, so that calls drain through what still runs behind them. */
export async function stopCluster(roles: readonly RoleProcess[]): Promise<void> {
  for (const [role] of [...kinds].reverse())
    await Promise.all(roles.filter((each) => each.role === role).map((each) => each.process.stop()));
}
