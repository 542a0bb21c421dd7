/** `npm run calls`: the calls that are up, over gRPC: a small whole client of earshot.control.v1. */
import { parseArgs } from "node:util";
import { systemClock } from "@earshot/platform/clock/clock.ts";
import { grpcClient } from "@earshot/platform/grpc/client.ts";
import { EarshotError } from "@earshot/proto/errors.ts";
import { type Call, CallChange_Kind, CallControl } from "@earshot/proto/gen/earshot/control/v1/call_control_pb.js";
import { writeHeard } from "./write-heard.ts";

const usage = `npm run calls -- COMMAND
  list                           the calls that are up
  watch                          them, and what changes, until Ctrl-C
  pause ID [--reason TEXT]       true silence and no words, until resumed
  resume ID
  stop ID [--reason TEXT]        end the recording; the people on the phone talk on
  listen ID FILE                 the audio as it is spoken into a WAV file, agent left, caller right; FILE - = to the standard output, without
                                 a header: 16-bit little-endian, two channels (... listen ID - | ffplay -f s16le -ch_layout stereo -i -)
Of the environment: EARSHOT_API_KEY (or EARSHOT_ADMIN_API_KEY), a key of Settings > API keys, and EARSHOT_GRPC_URL
(default grpc://127.0.0.1 with EARSHOT_GRPC_PORT; grpcs:// for TLS, its authority in EARSHOT_GRPC_CA_FILE).`;

/** Ends the process: what failed, in words. */
function fail(message: string, code = 1): never {
  console.error(message);
  process.exit(code);
}

function given() {
  try {
    return parseArgs({ allowPositionals: true, options: { reason: { type: "string" }, help: { type: "boolean" } } });
  } catch (error) {
    return fail(`${(error as Error).message}\n\n${usage}`, 2);
  }
}

const { values, positionals } = given();
const [command = "", id = "", file = ""] = positionals;
if (values.help === true) {
  console.log(usage);
  process.exit(0);
}
const wants: Record<string, number> = { list: 1, watch: 1, pause: 2, resume: 2, stop: 2, listen: 3 };
if (wants[command] === undefined) fail(`${command === "" ? "What is to be done?" : `There is no command "${command}".`}\n\n${usage}`, 2);
if (positionals.length !== wants[command]) fail(`${command} takes other arguments.\n\n${usage}`, 2);
const token = process.env.EARSHOT_API_KEY ?? process.env.EARSHOT_ADMIN_API_KEY ?? "";
if (token === "") fail(`No API key.\n\n${usage}`, 2);
const port = process.env.EARSHOT_GRPC_PORT ?? "";
const url = process.env.EARSHOT_GRPC_URL ?? (port === "" || port === "0" ? "" : `grpc://127.0.0.1:${port}`);
if (!/^grpcs?:\/\//.test(url))
  fail(`Where is Earshot? Set EARSHOT_GRPC_URL; Earshot serves call control where it runs with EARSHOT_GRPC_PORT.\n\n${usage}`, 2);

const line = ({ id: callId, agent, caller, direction, queue, recordingPaused, attention, startedAtMs, endedAtMs, termination }: Call) =>
  [
    callId,
    new Date(startedAtMs).toISOString(),
    `${agent || "unknown agent"} and ${caller || "unknown caller"}`,
    direction,
    queue,
    `attention ${Math.round(attention)}`,
    recordingPaused ? "paused" : "",
    endedAtMs > 0 ? `ended: ${termination}` : "",
  ]
    .filter((part) => part !== "")
    .join("  ");

const client = grpcClient(CallControl, {
  url,
  tls: { caFile: process.env.EARSHOT_GRPC_CA_FILE ?? "", certFile: "", keyFile: "" },
  peer: "call control",
  clock: systemClock,
  messageBytes: 4 * 1024 * 1024,
  token,
  keepaliveMs: 20_000,
});
const leave = new AbortController();
process.once("SIGINT", () => leave.abort());
const options = { timeoutMs: 10_000 };
const { call } = client;
try {
  await client.ready(5000);
  if (command === "list") {
    let isAny = false;
    for (let pageToken = "", isFirst = true; isFirst || pageToken !== ""; isFirst = false) {
      const page = await call.listCalls({ pageToken }, options);
      isAny ||= page.calls.length > 0;
      for (const one of page.calls) console.log(line(one));
      pageToken = page.nextPageToken;
    }
    if (!isAny) console.log("No call is up.");
  } else if (command === "watch") {
    for await (const change of call.watchCalls({}, { signal: leave.signal }))
      console.log(
        change.kind === CallChange_Kind.SYNCED || change.call === undefined ? "-- up to here they were up already" : line(change.call),
      );
  } else if (command === "listen") {
    const chunks = call.listen({ callId: id }, { signal: leave.signal });
    // Where the audio goes to the standard output words must not.
    await writeHeard(chunks, file, (sampleRate) =>
      console.error(`Listening at ${sampleRate} samples per second${file === "-" ? "" : ` into ${file}`}; Ctrl-C ends it.`),
    );
  } else {
    const reason = values.reason ?? "";
    if (command === "pause") await call.pauseRecording({ callId: id, reason }, options);
    else if (command === "resume") await call.resumeRecording({ callId: id }, options);
    else await call.stopRecording({ callId: id, reason }, options);
    console.log(`${command} of ${id} is on its way.`);
  }
} catch (error) {
  if (!leave.signal.aborted)
    fail(error instanceof EarshotError ? [error.message, error.remedy].filter((text) => text !== "").join("\n") : String(error));
} finally {
  client.close();
}
