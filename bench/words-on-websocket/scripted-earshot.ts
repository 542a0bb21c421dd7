/** The product, or the one role in EARSHOT_ROLE, with an engine that takes no time of its own, as a process for benches of words. */
import { banner } from "@earshot/deploy/banner.ts";
import { createEarshot } from "@earshot/deploy/earshot.ts";
import { allSettings } from "@earshot/deploy/settings.ts";
import { ScriptedRecogniser } from "@earshot/media-pipeline/testing/scripted-recogniser.ts";
import { systemClock } from "@earshot/platform/clock/clock.ts";
import { readSettings } from "@earshot/platform/config/settings.ts";
import { run } from "@earshot/platform/lifecycle/run.ts";
import { createLog } from "@earshot/platform/log/log.ts";

const { values: settings, faults } = readSettings(allSettings, process.env);
if (faults.length > 0) throw new Error(JSON.stringify(faults));
const role = settings.process.role === "all" ? undefined : settings.process.role;
const log = createLog({ level: "warn" });
const recogniser = new ScriptedRecogniser({ partialEveryMs: 300 }, false);
const status = { engine: "scripted", usable: true, reason: "a benchmark's", remedy: "" };
const earshot = await createEarshot({ settings, log, version: "bench", uiDirectory: undefined, role, speech: { recogniser, status } });
const running = await run(earshot.components, { log, clock: systemClock });
console.log(
  banner({
    version: "bench",
    role,
    addresses: earshot.addresses(),
    adapters: earshot.adapters,
    speech: earshot.speech,
    dataDirectory: settings.platform.dataDir,
    oneTimePassword: undefined,
    secondsToReady: performance.now() / 1000,
  }),
);
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => void running.stop(10_000).then(() => process.exit(0)));
