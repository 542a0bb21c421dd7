/** Entry of a decoding child process: a crash inside the C library ends this process only, never the recorder. */
import { setPriority } from "node:os";
import { decodeFairly, type Fairly } from "./decode-fairly.ts";
import { openPocketsphinx } from "./library.ts";
import type { FromWorker, ToWorker } from "./messages.ts";

/** Media and signalling go first on a loaded machine. */
const niceness = 2;

const send = (message: FromWorker) => process.send?.(message);
let fairly: Fairly | undefined;
let running = false;

// One slice per turn of the event loop, so that new audio and aborts come in between.
const run = () => {
  running = fairly?.turn() === true;
  if (running) setImmediate(run);
};

process.on("message", (message: ToWorker) => {
  if (message.kind === "setup") {
    try {
      const { installation, tuning, partialSamples } = message.setup;
      const makeDecoder = openPocketsphinx(installation, tuning);
      const first = [makeDecoder()];
      fairly = decodeFairly(() => first.pop() ?? makeDecoder(), partialSamples, send);
      send({ kind: "ready" });
    } catch (error) {
      send({ kind: "unusable", reason: error instanceof Error ? error.message : String(error) });
    }
    return;
  }
  fairly?.receive(message);
  if (!running) {
    running = true;
    setImmediate(run);
  }
});
// The parent is gone, however it went.
process.on("disconnect", () => process.exit(0));
// Ctrl-C in a terminal reaches the whole group; the parent drains first and then ends this process.
process.on("SIGINT", () => {});
process.on("SIGTERM", () => {});
try {
  setPriority(niceness);
} catch {
  // Not allowed here: decode at the ordinary priority.
}
