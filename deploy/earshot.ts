/** The whole product in one process: which part stands on which, and in what order they start and stop. */
import { createAnalytics } from "@earshot/analytics/analytics.ts";
import { createPipeline } from "@earshot/media-pipeline/pipeline.ts";
import { chooseRecogniser } from "@earshot/media-pipeline/recogniser/choose.ts";
import { installPocketsphinx } from "@earshot/media-pipeline/recogniser/pocketsphinx/install.ts";
import { systemClock } from "@earshot/platform/clock/clock.ts";
import type { SettingsOf } from "@earshot/platform/config/settings.ts";
import { createEmbeddedEventLog } from "@earshot/platform/event-log/embedded.ts";
import { runComponents } from "@earshot/platform/lifecycle/run.ts";
import type { Log } from "@earshot/platform/log/log.ts";
import { createMetrics } from "@earshot/platform/metrics/metrics.ts";
import { createFileObjectStore } from "@earshot/platform/object-store/file.ts";
import { allTopics } from "@earshot/proto/topics.ts";
import { createGateway } from "@earshot/sip-gateway/gateway.ts";
import { createMediaPlane } from "@earshot/sip-gateway/media/media-plane.ts";
import { createDemoCalls } from "./demo-pbx/demo-calls.ts";
import type { allSettings } from "./settings.ts";
import { uiDirectory } from "./setup/build-ui.ts";

export type Settings = { readonly [K in keyof typeof allSettings]: SettingsOf<(typeof allSettings)[K]> };
