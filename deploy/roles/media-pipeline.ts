/** Turns audio into words, measures and recordings. */
import { join } from "node:path";
import { createPipeline, type Pipeline } from "@earshot/media-pipeline/pipeline.ts";
import { chooseRecogniser } from "@earshot/media-pipeline/recogniser/choose.ts";
import { installPocketsphinx } from "@earshot/media-pipeline/recogniser/pocketsphinx/install.ts";
import type { Recogniser, SpeechStatus } from "@earshot/media-pipeline/recogniser/port.ts";
import { watchRecogniser } from "@earshot/media-pipeline/recogniser/watched.ts";
import { isSharedEventLog } from "@earshot/platform/event-log/open.ts";
import type { PartHealth } from "@earshot/platform/operations/health.ts";
import type { Foundation } from "./foundation.ts";
import type { Role } from "./role.ts";

export type Speech = { readonly recogniser: Recogniser; readonly status: SpeechStatus };
export type PipelineRole = Role & { readonly pipeline: Pipeline; readonly speech: SpeechStatus };

/**
 * @param given takes the place of the engine that the settings choose; for benches and tests
 * @throws EarshotError where the settings ask for a speech engine that this machine cannot run
 */
export async function buildPipelineRole(foundation: Foundation, given?: Speech): Promise<PipelineRole> {
  const { settings, log, metrics, clock, dataDir, eventLog, objectStore } = foundation;
  const speech = given ?? (await chooseSpeech(foundation));
  const recogniser = watchRecogniser(speech.recogniser, clock);
  let started = false;
  const pipeline = createPipeline({
    settings: settings.pipeline.spoolDir === "" ? { ...settings.pipeline, spoolDir: join(dataDir, "spool") } : settings.pipeline,
    log,
    metrics,
    clock,
    eventLog,
    objectStore,
    recogniser,
    sharedLog: isSharedEventLog(settings.platform.eventLog),
  });
  return {
    name: "media-pipeline",
    pipeline,
    speech: speech.status,
    components: [
      recogniser,
      {
        name: pipeline.name,
        async start() {
          await pipeline.start();
          started = true;
        },
        stop(deadlineMs) {
          started = false;
          return pipeline.stop(deadlineMs);
        },
      },
    ],
    health: () => [
      started ? { part: "pipeline", state: "up", detail: "" } : { part: "pipeline", state: "down", detail: "it starts or stops" },
      speechHealth(speech.status, recogniser.fault),
    ],
    adapters: {},
    addresses: () => ({}),
  };
}

/** Calls go on without words; their audio is recorded. */
function speechHealth({ usable, reason, engine }: SpeechStatus, fault: string | undefined): PartHealth {
  const wrong = usable ? fault : reason;
  return wrong === undefined
    ? { part: "speech engine", state: "up", detail: "" }
    : { part: "speech engine", state: "degraded", detail: `${wrong} (${engine})` };
}

async function chooseSpeech({ settings, log, metrics, clock, dataDir }: Foundation): Promise<Speech> {
  await installPocketsphinx({ settings: settings.recogniser, log });
  return chooseRecogniser({ settings: settings.recogniser, log, metrics, clock, dataDir });
}
