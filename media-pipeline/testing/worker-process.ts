/**
 * A pipeline worker as a process of its own, to be killed: settings from the environment, a scripted recogniser. SIGTERM hands its calls over.
 * Prints `ready` once it is a member of the group.
 */
import { systemClock } from "@earshot/platform/clock/clock.ts";
import { readSettings } from "@earshot/platform/config/settings.ts";
import { openEventLog } from "@earshot/platform/event-log/open.ts";
import { createLog } from "@earshot/platform/log/log.ts";
import { createMetrics } from "@earshot/platform/metrics/metrics.ts";
import { createFileObjectStore } from "@earshot/platform/object-store/file.ts";
import { platformSettings } from "@earshot/platform/settings.ts";
import { allTopics } from "@earshot/proto/topics.ts";
import { createPipeline } from "../pipeline.ts";
import { mediaPipelineSettings } from "../settings.ts";
import { ScriptedRecogniser } from "./scripted-recogniser.ts";

const { values } = readSettings({ pipeline: mediaPipelineSettings, platform: platformSettings }, process.env);
const log = createLog({ level: "error" });
const metrics = createMetrics();
const clock = systemClock;
const eventLog = openEventLog({ clock, log, metrics, settings: values.platform });
const directory = values.platform.objectStore.slice("file:".length);
const objectStore = createFileObjectStore({ directory, clock, log, settings: values.platform });
const recogniser = new ScriptedRecogniser({ words: () => ["uno", "due", "tre", "quattro"], partialEveryMs: 400 }, false);
const pipeline = createPipeline({
  settings: values.pipeline,
  log,
  metrics,
  clock,
  eventLog,
  objectStore,
  recogniser,
  sharedLog: true,
});

await eventLog.start();
await eventLog.declare(allTopics);
await objectStore.start();
await pipeline.start();
process.on("SIGTERM", () => {
  void pipeline
    .stop(5000)
    .then(() => eventLog.stop(2000))
    .then(() => process.exit(0));
});
console.log("ready");
