/** One role as a process of its own: its ports are the same at every start. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Readiness } from "@earshot/platform/operations/health.ts";
import type { RoleName } from "../roles/role.ts";
import nodeFlags from "../setup/node-flags.json" with { type: "json" };
import { ManagedProcess } from "./managed-process.ts";

const main = fileURLToPath(new URL("../main.ts", import.meta.url));

export type RolePorts = {
  readonly operations: number;
  /** Of a gateway. */
  readonly sip: number;
  readonly rtpFrom: number;
  readonly rtpTo: number;
  /** Of an API. */
  readonly http: number;
  readonly grpc: number;
};

export type RoleProcessOptions = {
  readonly role: RoleName;
  /** "gateway-1" */
  readonly name: string;
  /** Every process's own lies below it. */
  readonly directory: string;
  readonly ports: RolePorts;
  readonly env: Readonly<Record<string, string>>;
  /** In place of deploy/main.ts. */
  readonly script?: string;
  /** Runs it: `ip netns exec NAME`, say, in front of its own command. It must become the process, not its parent. */
  readonly through?: readonly string[];
  readonly onOutput?: (text: string) => void;
  readonly onDeath?: (how: string) => void;
};

export class RoleProcess {
  readonly role: RoleName;
  readonly name: string;
  readonly ports: RolePorts;
  /** Where its operations and SIP are reached: as EARSHOT_OPERATIONS_HOST says, loopback where it says nothing. */
  readonly host: string;
  readonly dataDir: string;
  readonly process: ManagedProcess;

  constructor({ role, name, directory, ports, env, script = main, through = [], onOutput, onDeath }: RoleProcessOptions) {
    this.role = role;
    this.name = name;
    this.ports = ports;
    this.host = env.EARSHOT_OPERATIONS_HOST ?? "127.0.0.1";
    const [command, ...args] = [...through, process.execPath, ...nodeFlags, script, "--role", role];
    this.dataDir = join(directory, name);
    this.process = new ManagedProcess({
      name,
      command: command!,
      args,
      env: {
        NODE_ENV: "production",
        ...env,
        EARSHOT_ROLE: role,
        EARSHOT_DATA_DIR: this.dataDir,
        EARSHOT_OPERATIONS_PORT: String(ports.operations),
        ...(role === "sip-gateway" ? { EARSHOT_SIP_PORT: String(ports.sip), EARSHOT_RTP_PORTS: `${ports.rtpFrom}-${ports.rtpTo}` } : {}),
        ...(role === "analytics-api" ? { EARSHOT_HTTP_PORT: String(ports.http), EARSHOT_GRPC_PORT: String(ports.grpc) } : {}),
      },
      ready: new RegExp(`Earshot \\S+, ${role}, is ready`),
      startMs: 90_000,
      onOutput,
      onDeath,
    });
  }

  /** What it says of itself; undefined where nothing answers. */
  async readiness(): Promise<Readiness | undefined> {
    try {
      const answer = await fetch(`http://${this.host}:${this.ports.operations}/readyz`, { signal: AbortSignal.timeout(2000) });
      return (await answer.json()) as Readiness;
    } catch {
      return undefined;
    }
  }

  async metrics(): Promise<string> {
    return (await fetch(`http://${this.host}:${this.ports.operations}/metrics`, { signal: AbortSignal.timeout(5000) })).text();
  }
}
