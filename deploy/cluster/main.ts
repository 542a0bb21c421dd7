/** `npm run cluster`: the product as separate processes on one machine, on real servers; what dies is started again. */
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { systemClock } from "@earshot/platform/clock/clock.ts";
import { readSettings } from "@earshot/platform/config/settings.ts";
import { EarshotError } from "@earshot/proto/errors.ts";
import { allSettings } from "../settings.ts";
import { buildUi } from "../setup/build-ui.ts";
import { type ClusterSize, planCluster, startCluster, stopCluster } from "./cluster.ts";
import type { RoleProcess } from "./role-process.ts";
import { type Servers, startServers } from "./servers.ts";
import { Supervisor } from "./supervisor.ts";

const usage = `npm run cluster -- [options]
  --gateways N   processes that take calls (default 2)
  --pipelines N  processes that turn audio into words (default 2)
  --ingests N    processes that store (default 1)
  --apis N       processes that serve pages, API and live socket (default 2)
Servers are started here unless EARSHOT_EVENT_LOG, EARSHOT_RELATIONAL_STORE, EARSHOT_COLUMN_STORE or EARSHOT_OBJECT_STORE name others.
Data and each process's log lie under EARSHOT_DATA_DIR/cluster. The first gateway has EARSHOT_SIP_PORT, the first API EARSHOT_HTTP_PORT.`;

function fail(message: string): never {
  console.error(`${message}\n\n${usage}`);
  process.exit(2);
}

function size(): ClusterSize {
  const count = (name: string, text: string | undefined, usual: number): number => {
    const value = text === undefined ? usual : Number(text);
    return Number.isInteger(value) && value >= 1 && value <= 20 ? value : fail(`--${name} takes a number from 1 to 20, not "${text}".`);
  };
  try {
    const option = { type: "string" } as const;
    const { values } = parseArgs({
      options: { gateways: option, pipelines: option, ingests: option, apis: option, help: { type: "boolean" } },
    });
    if (values.help === true) {
      console.log(usage);
      process.exit(0);
    }
    return {
      gateways: count("gateways", values.gateways, 2),
      pipelines: count("pipelines", values.pipelines, 2),
      ingests: count("ingests", values.ingests, 1),
      apis: count("apis", values.apis, 2),
    };
  } catch (error) {
    return fail((error as Error).message);
  }
}

/** Lines of the processes, each with the name of who said it; banners are left out, there is one for all. */
function say(name: string, text: string): void {
  for (const line of text.split("\n")) if (line.startsWith("{")) console.log(`${name} ${line}`);
}

function banner(roles: readonly RoleProcess[], servers: Servers): string {
  const lines = roles.map(({ name, role, ports, process: { pid } }) => {
    const serves =
      role === "sip-gateway"
        ? `sip 127.0.0.1:${ports.sip}, `
        : role === "analytics-api"
          ? `web http://localhost:${ports.http}, call control grpc://localhost:${ports.grpc}, `
          : "";
    return `    ${name.padEnd(12)} pid ${String(pid).padEnd(8)} ${serves}operations http://127.0.0.1:${ports.operations}`;
  });
  const password = roles
    .map(({ process: { output } }) => /one-time password +(\S+)/.exec(output)?.[1])
    .find((found) => found !== undefined);
  return [
    "",
    "  Earshot is ready as separate processes",
    ...lines,
    "",
    "  Servers",
    ...Object.entries(servers.described).map(([part, what]) => `    ${part.padEnd(17)} ${what}`),
    ...(password === undefined ? [] : ["", `  First start: sign in as admin@localhost with the one-time password  ${password}`]),
    "",
    "  npm run demo places a call. A process that dies is started again. Ctrl-C lets live calls finish and stops.",
    "",
  ].join("\n");
}

async function main(): Promise<void> {
  const wanted = size();
  const { values: settings, faults } = readSettings(allSettings, process.env);
  if (faults.length > 0) {
    for (const { env, given, problem, expects } of faults) console.error(`  ${env}=${given}: ${problem} (${expects})`);
    process.exit(2);
  }
  buildUi((line) => console.log(line));
  const directory = resolve(settings.platform.dataDir, "cluster");
  console.log("Starting the servers ...");
  let servers: Servers | undefined;
  let roles: RoleProcess[] = [];
  const supervisor = new Supervisor({ clock: systemClock, say: (line) => console.log(line) });
  let stopping: Promise<void> | undefined;
  const stop = (code: number): void => {
    if (stopping !== undefined) process.exit(130);
    console.log("Stopping: live calls may finish; again to stop at once.");
    supervisor.stop();
    stopping = stopCluster(roles)
      .then(() => servers?.stop())
      .then(() => process.exit(code));
  };
  process.on("SIGINT", () => stop(0));
  process.on("SIGTERM", () => stop(0));
  try {
    servers = await startServers(directory, process.env);
    console.log("Starting the roles ...");
    roles = await planCluster({
      size: wanted,
      directory,
      env: servers.env,
      sipPort: settings.gateway.port,
      httpPort: settings.api.httpPort,
      onOutput: say,
      onDeath: (role, how) => supervisor.died({ name: role.name, start: () => role.process.start() }, how),
    });
    await startCluster(roles);
    if (stopping === undefined) console.log(banner(roles, servers));
  } catch (error) {
    if (stopping !== undefined) return;
    console.error(`The cluster could not start: ${error instanceof EarshotError ? `${error.message} ${error.remedy}` : String(error)}`);
    stop(1);
  }
}

await main();
