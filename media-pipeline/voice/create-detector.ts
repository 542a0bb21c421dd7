/** Picks the speech detector: Silero where it loads, else energy alone, and says so. */
import type { Clock } from "@earshot/platform/clock/clock.ts";
import type { Log } from "@earshot/platform/log/log.ts";
import type { Metrics } from "@earshot/platform/metrics/metrics.ts";
import type { MediaPipelineSettings } from "../settings.ts";
import type { VoiceDetector } from "./detector.ts";
import { createEnergyDetector } from "./energy-detector.ts";
import { SileroDetector } from "./silero-detector.ts";

/** @returns a started detector. @throws EarshotError unavailable where `silero` was asked for and does not load */
export async function startDetector(
  settings: MediaPipelineSettings,
  deps: { readonly clock: Clock; readonly log: Log; readonly metrics: Metrics },
): Promise<VoiceDetector> {
  if (settings.vad === "energy") return createEnergyDetector("EARSHOT_VAD=energy");
  const silero = new SileroDetector(deps, { batchIntervalMs: settings.vadBatchIntervalMs, queueWindows: settings.vadQueueWindows });
  try {
    await silero.start();
    return silero;
  } catch (error) {
    if (settings.vad === "silero") throw error;
    deps.log.warn({ err: error }, "the speech detector does not load; speech is told from noise by energy alone");
    return createEnergyDetector("Silero does not load (see the log); speech is told from noise by energy alone");
  }
}
