/** Child process: keeps the asked number of streams going at 50 packets per second each. Talks to the bench over IPC. */
import { lineAudio } from "./line-audio.ts";
import { NativeSender } from "./native-sender.ts";

export type SenderRequest =
  /** `speech`: people talk, in place of noise that is the same in every packet of a stream. */
  | { kind: "open"; streams: number; speech: boolean }
  | { kind: "aim"; ports: number[] }
  | { kind: "start" }
  | { kind: "count" }
  | { kind: "stop" };
export type SenderAnswer =
  | { kind: "opened"; parties: readonly number[] }
  | { kind: "done" }
  | { kind: "count"; sent: number; returned: number; behindMs: number };

/** Streams are spread over the 20 ms of a packet in four groups. */
const groups = 4;
const stepMs = 20 / groups;
/** Every party is read each 100 ms. */
const drainParts = 20;

let sender: NativeSender | undefined;
let running: NodeJS.Timeout | undefined;
let worstMs = 0;
let returned = 0;
let drained = 0;

function start(streams: NativeSender): void {
  const began = performance.now();
  let step = 0;
  const send = () => {
    const now = performance.now();
    worstMs = Math.max(worstMs, now - began - step * stepMs);
    while (began + step * stepMs <= now) {
      const group = step % groups;
      streams.sendRound(Math.floor((streams.streams * group) / groups), Math.floor((streams.streams * (group + 1)) / groups));
      step++;
    }
    const part = drained++ % drainParts;
    returned += streams.drain(Math.floor((streams.streams * part) / drainParts), Math.floor((streams.streams * (part + 1)) / drainParts));
  };
  running = setInterval(send, stepMs);
}

const answer = (message: SenderAnswer) => process.send!(message);

process.on("message", (request: SenderRequest) => {
  if (request.kind === "open") {
    sender = new NativeSender(request.streams, request.speech ? lineAudio() : undefined);
    answer({ kind: "opened", parties: sender.parties });
  } else if (request.kind === "aim") {
    sender!.aim(request.ports);
    answer({ kind: "done" });
  } else if (request.kind === "start") {
    start(sender!);
    answer({ kind: "done" });
  } else if (request.kind === "count") {
    answer({ kind: "count", sent: sender!.sent, returned, behindMs: worstMs });
    worstMs = 0;
  } else {
    clearInterval(running);
    answer({ kind: "count", sent: sender!.sent, returned, behindMs: worstMs });
  }
});
process.on("disconnect", () => process.exit(0));
