/**
 * A speech engine of this machine as a process of its own, for earshot.recogniser.v1: `npm run recogniser`, then EARSHOT_GRPC_ASR_URL at
 * the pipelines. EARSHOT_ASR says which engine; any number of such processes share the work.
 */

import { resolve } from "node:path";
import { chooseRecogniser } from "@earshot/media-pipeline/recogniser/choose.ts";
import { RecogniserService, recogniserService } from "@earshot/media-pipeline/recogniser/grpc/service.ts";
import { systemClock } from "@earshot/platform/clock/clock.ts";
import { readSettings } from "@earshot/platform/config/settings.ts";
import { serverTls } from "@earshot/platform/grpc/credentials.ts";
import { GrpcServer } from "@earshot/platform/grpc/server.ts";
import { type Running, run } from "@earshot/platform/lifecycle/run.ts";
import { createLog } from "@earshot/platform/log/log.ts";
import { createMetrics } from "@earshot/platform/metrics/metrics.ts";
import { EarshotError } from "@earshot/proto/errors.ts";
import { allSettings } from "../settings.ts";

async function main(): Promise<void> {
  const { values: settings, faults } = readSettings(allSettings, process.env);
  if (faults.length > 0) {
    console.error(`The configuration has ${faults.length} ${faults.length === 1 ? "fault" : "faults"}; nothing was started.`);
    for (const { env, given, problem, expects } of faults) console.error(`  ${env}=${given}: ${problem} (${expects})`);
    process.exit(2);
  }
  const log = createLog({ level: settings.platform.logLevel });
  const metrics = createMetrics({ defaults: true });
  const clock = systemClock;
  const { recogniser, status } = await chooseRecogniser({
    // Its own address, where the environment is shared, is no engine for it.
    settings: { ...settings.recogniser, grpcUrl: "" },
    log,
    metrics,
    clock,
    dataDir: resolve(settings.platform.dataDir),
  });
  if (!status.usable)
    throw new EarshotError("unavailable", "no_speech_engine", `There is no speech engine to serve: ${status.reason}.`, {
      remedy: status.remedy,
    });
  const { host, port, calls, messageBytes, connectionAgeMs, ...rest } = settings.recogniserServer;
  const server = new GrpcServer({
    name: "recogniser-server",
    host,
    port,
    portEnv: "EARSHOT_RECOGNISER_PORT",
    tls: serverTls(rest),
    limits: { messageBytes, calls, callsEnv: "EARSHOT_RECOGNISER_CALLS", connectionAgeMs },
    log,
    metrics,
    clock,
  });
  server.add(RecogniserService, recogniserService(recogniser, rest, clock));

  let running: Running | undefined;
  const stop = (): void => {
    if (running === undefined) process.exit(130);
    void running.stop(settings.process.drainSeconds * 1000).then(() => process.exit(0));
  };
  process.on("SIGINT", stop);
  process.on("SIGTERM", stop);
  // Utterances under way are sent again by whoever sent them; a process in an unknown state is better started anew.
  const crash = (error: unknown): void => {
    log.error({ err: error }, "a fault was not handled; the process ends");
    process.exit(70);
  };
  process.on("uncaughtException", crash);
  process.on("unhandledRejection", crash);

  running = await run([recogniser, server], { log, clock });
  const { concurrency, languages } = recogniser.capabilities;
  const languagesText = languages === "any" ? "any language" : languages.join(", ");
  console.log(
    `Speech recogniser ${recogniser.id} ${recogniser.version} (${languagesText}; ${concurrency} utterances at once) serves on ${host}:${server.port}${rest.certFile === "" ? "" : " with TLS"}.`,
  );
}

main().catch((error: unknown) => {
  const text = error instanceof EarshotError ? `${error.message} ${error.remedy}` : String(error);
  console.error(`The recogniser could not start: ${text}`);
  process.exit(1);
});
