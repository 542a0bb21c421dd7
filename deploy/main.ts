/** `npm start`: reads the settings, starts the product, stops it on a signal. The only file that may end the process. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { systemClock } from "@earshot/platform/clock/clock.ts";
import { readSettings } from "@earshot/platform/config/settings.ts";
import { type Running, run } from "@earshot/platform/lifecycle/run.ts";
import { createLog } from "@earshot/platform/log/log.ts";
import { EarshotError } from "@earshot/proto/errors.ts";
import { banner } from "./banner.ts";
import { createEarshot } from "./earshot.ts";
import { roleFaults } from "./roles/requirements.ts";
import { roleNames } from "./roles/role.ts";
import { allSettings, settingsDocument } from "./settings.ts";
import { buildUi, uiDirectory } from "./setup/build-ui.ts";

const usage = `npm start -- [--role ROLE] [--check-config | --settings]
  --role ROLE     runs one role alone: ${roleNames.join(", ")} (as EARSHOT_ROLE does); all in one process where it is not given
  --check-config  reports every fault of the configuration (of the role, where one is given) and exits
  --settings      prints every setting, its default and what happens at its limit`;

const startedAt = performance.now();
/** On top of the drain time: the last words, recordings and rows are stored. */
const storingMs = 15_000;
const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as { version: string };

function options() {
  try {
    return parseArgs({
      options: {
        role: { type: "string" },
        "check-config": { type: "boolean" },
        settings: { type: "boolean" },
        help: { type: "boolean" },
      },
    }).values;
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${usage}`);
    process.exit(2);
  }
}

function explain(error: unknown): string {
  return error instanceof EarshotError
    ? `${error.message}${error.remedy === "" ? "" : ` ${error.remedy}`}`
    : error instanceof Error
      ? (error.stack ?? error.message)
      : String(error);
}

async function main(): Promise<void> {
  const given = options();
  if (given.help === true || given.settings === true) {
    console.log(given.help === true ? usage : settingsDocument());
    return;
  }
  const env = given.role === undefined ? process.env : { ...process.env, EARSHOT_ROLE: given.role };
  const { values: settings, faults } = readSettings(allSettings, env);
  const role = settings.process.role === "all" ? undefined : settings.process.role;
  if (faults.length === 0 && role !== undefined) faults.push(...roleFaults(role, settings));
  if (faults.length > 0) {
    console.error(`The configuration has ${faults.length} ${faults.length === 1 ? "fault" : "faults"}; nothing was started.`);
    for (const { env, given: value, problem, expects } of faults) console.error(`  ${env}=${value}: ${problem} (${expects})`);
    process.exit(2);
  }
  const root = createLog({ level: settings.platform.logLevel });
  const log = role === undefined ? root : root.child({ role });
  if (given["check-config"] === true) {
    await createEarshot({ settings, log, version, uiDirectory: undefined, role });
    console.log(role === undefined ? "The configuration is valid." : `The configuration is valid for the role ${role}.`);
    process.exit(0);
  }

  log.info({ version, role: role ?? "all", pid: process.pid }, "Earshot starts");
  const showsPages = role === undefined || role === "analytics-api";
  if (showsPages) buildUi((line) => console.log(line));
  const earshot = await createEarshot({ settings, log, version, uiDirectory: showsPages ? uiDirectory : undefined, role });
  // Only a gateway has calls to let finish; the other roles hand over or write down what they hold.
  const drainMs = role === undefined || role === "sip-gateway" ? settings.process.drainSeconds * 1000 : 0;
  let running: Running | undefined;
  let stopping = false;
  const stop = (signal: string): void => {
    if (stopping) {
      console.log("Stopped at once; live calls were cut off and will be ended as 'restart' by the next start.");
      process.exit(130);
    }
    stopping = true;
    console.log(
      drainMs === 0
        ? `${signal}: what is in hand is stored or handed over; again to stop at once.`
        : `${signal}: live calls may go on for up to ${settings.process.drainSeconds} s; again to stop at once.`,
    );
    // Before everything serves there is nothing to drain: what was started recovers like after a crash.
    if (running === undefined) process.exit(130);
    void running.stop(drainMs + storingMs).then(() => process.exit(0));
  };
  process.on("SIGINT", () => stop("Ctrl-C"));
  process.on("SIGTERM", () => stop("SIGTERM"));
  // A fault that nobody caught may have left anything half done: say so, and let the next start recover from the event log.
  const crash = (error: unknown): void => {
    log.error({ err: error }, "a fault was not handled; the process ends");
    process.exit(70);
  };
  process.on("uncaughtException", crash);
  process.on("unhandledRejection", crash);

  running = await run(earshot.components, { log, clock: systemClock });
  console.log(
    banner({
      version,
      role,
      addresses: earshot.addresses(),
      adapters: earshot.adapters,
      speech: earshot.speech,
      dataDirectory: resolve(settings.platform.dataDir),
      oneTimePassword: earshot.oneTimePassword(),
      secondsToReady: (performance.now() - startedAt) / 1000,
    }),
  );
}

main().catch((error: unknown) => {
  console.error(`Earshot could not start: ${explain(error)}`);
  process.exit(1);
});
