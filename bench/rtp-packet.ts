/**
 * Cost per RTP packet: CPU (user and system, all threads of the receiving process) from socket to event log, beside Debian's rtpengine in
 * user space forwarding, and forwarding and recording, the same traffic in the same run.
 *
 *   npm run bench -- rtp-packet [--calls=200,500,1000] [--seconds=10]
 */
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { ahead } from "./rtp-packet/priority.ts";
import type { ReceiverAnswer, ReceiverRequest } from "./rtp-packet/receiver.ts";
import { rtpengineInstalled, startRtpengine } from "./rtp-packet/rtpengine.ts";
import type { SenderAnswer, SenderRequest } from "./rtp-packet/sender.ts";

export type RtpPacketOptions = { calls: readonly number[]; seconds: number; profile: boolean };

/** Code that is not compiled yet is not what a day's work costs. */
const warmUpMs = 4000;

type Measured = { microseconds: number; packets: number; returned: number; kernelDrops: number; behindMs: number };
type Receiver = Child<ReceiverRequest, ReceiverAnswer>;

class Child<Request, Answer extends { kind: string }> {
  readonly process: ChildProcess;

  constructor(file: string, execArgv: string[] = []) {
    const command: readonly string[] = [...ahead(), process.execPath, ...execArgv, fileURLToPath(new URL(file, import.meta.url))];
    this.process = spawn(command[0]!, command.slice(1), { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  }

  ask<K extends Answer["kind"]>(request: Request, _kind: K): Promise<Extract<Answer, { kind: K }>> {
    return new Promise((resolve, reject) => {
      const exited = (code: number | null) => reject(new Error(`a child of the bench ended with ${code}`));
      this.process.once("exit", exited);
      this.process.once("message", (answer) => {
        this.process.off("exit", exited);
        resolve(answer as Extract<Answer, { kind: K }>);
      });
      this.process.send(request as object);
    });
  }

  async end(): Promise<void> {
    if (this.process.exitCode !== null) return;
    const exited = new Promise((resolve) => this.process.once("exit", resolve));
    this.process.disconnect();
    await exited;
  }
}

/** User and system time of a process with all its threads, microseconds (proc(5); 100 ticks per second). */
function cpuMicroseconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10_000;
}

/** Datagrams that the kernel dropped because a socket's buffer was full. */
function kernelDrops(ports: ReadonlySet<number>): number {
  let drops = 0;
  for (const line of readFileSync("/proc/net/udp", "latin1").split("\n").slice(1)) {
    const fields = line.trim().split(/\s+/);
    if (fields.length > 12 && ports.has(Number.parseInt(fields[1]!.split(":")[1]!, 16))) drops += Number(fields[12]);
  }
  return drops;
}

type Sender = Child<SenderRequest, SenderAnswer>;

async function measure(sender: Sender, pid: number, ports: readonly number[], seconds: number): Promise<Measured> {
  const set = new Set(ports);
  await sender.ask({ kind: "aim", ports: [...ports] }, "done");
  await sender.ask({ kind: "start" }, "done");
  await pause(warmUpMs);
  const before = await sender.ask({ kind: "count" }, "count");
  const cpuBefore = cpuMicroseconds(pid);
  await pause(seconds * 1000);
  const after = await sender.ask({ kind: "count" }, "count");
  const cpu = cpuMicroseconds(pid) - cpuBefore;
  await sender.ask({ kind: "stop" }, "count");
  await pause(300);
  const packets = after.sent - before.sent;
  return {
    microseconds: cpu / packets,
    packets,
    returned: after.returned - before.returned,
    kernelDrops: kernelDrops(set),
    behindMs: after.behindMs,
  };
}

async function withSender<T>(
  streams: number,
  speech: boolean,
  use: (sender: Sender, parties: readonly number[]) => Promise<T>,
): Promise<T> {
  const sender: Sender = new Child("./rtp-packet/sender.ts");
  try {
    const { parties } = await sender.ask({ kind: "open", streams, speech }, "opened");
    return await use(sender, parties);
  } finally {
    await sender.end();
  }
}

export type EarshotOptions = {
  readonly calls: number;
  readonly seconds: number;
  readonly fromPort: number;
  readonly profile?: boolean;
  /** As in EARSHOT_EVENT_LOG. */
  readonly eventLog?: string;
  readonly speech?: boolean;
};

/** The media plane of a gateway in a process of its own: its CPU per packet, and what it wrote over TCP for the records that the log took meanwhile. */
export function measureEarshot({ calls, seconds, fromPort, profile = false, eventLog = "embedded:", speech = false }: EarshotOptions) {
  return withSender(calls * 2, speech, async (sender) => {
    const receiver: Receiver = new Child("./rtp-packet/receiver.ts", profile ? ["--cpu-prof"] : []);
    try {
      const { ports } = await receiver.ask({ kind: "open", calls, fromPort, eventLog }, "opened");
      const before = await receiver.ask({ kind: "written" }, "written");
      const measured = await measure(sender, receiver.process.pid!, ports, seconds);
      const { sent } = await sender.ask({ kind: "count" }, "count");
      const after = await receiver.ask({ kind: "written" }, "written");
      const stopped = await receiver.ask({ kind: "stop" }, "stopped");
      return { ...measured, ...stopped, sent, tcpBytes: after.tcpBytes - before.tcpBytes, written: after.records - before.records };
    } finally {
      await receiver.end();
    }
  });
}

/** What rtpengine measured, and of all that it was sent the share that its recordings hold. */
function measureRtpengine(calls: number, seconds: number, fromPort: number, record: boolean): Promise<Measured & { recorded: number }> {
  return withSender(calls * 2, false, async (sender, parties) => {
    const engine = await startRtpengine(fromPort, parties, record);
    try {
      const measured = await measure(sender, engine.pid, engine.ports, seconds);
      const { sent } = await sender.ask({ kind: "count" }, "count");
      const { recorded } = await engine.stop();
      return { ...measured, recorded: recorded / sent };
    } finally {
      await engine.stop().catch(() => {});
    }
  });
}

export async function run(options: Partial<RtpPacketOptions> = {}): Promise<void> {
  const { values } = parseArgs({
    args: process.argv.slice(2).filter((argument) => argument.startsWith("--")),
    options: { calls: { type: "string" }, seconds: { type: "string" }, profile: { type: "boolean" } },
    strict: false,
  });
  const calls =
    options.calls ??
    String(values.calls ?? "200,500,1000")
      .split(",")
      .map(Number);
  const seconds = options.seconds ?? Number(values.seconds ?? 10);
  const profile = options.profile ?? values.profile === true;
  const peer = rtpengineInstalled();
  if (!peer) console.log("rtpengine is not installed (Debian: apt install rtpengine-daemon): no peer to compare with.");
  console.log(`CPU per RTP packet, user + system of the receiving process; G.711, 20 ms, two streams per call, ${seconds} s each`);
  if (ahead().length === 0) console.log("Real-time scheduling is not permitted: figures depend on what else runs.");
  const row = (...cells: (string | number)[]) => console.log(cells.map((cell, i) => String(cell).padStart(i === 0 ? 6 : 13)).join(""));
  row("calls", "earshot µs", "forward µs", "record µs", "/ forward", "/ record", "core load", "chunks", "lost chunks", "MB rss");
  let fromPort = 20_002 + 2 * Math.floor(Math.random() * 500);
  for (const count of calls) {
    const own = await measureEarshot({ calls: count, seconds, fromPort, profile });
    fromPort += count * 4 + 100;
    const forward = peer ? await measureRtpengine(count, seconds, fromPort, false) : undefined;
    const record = peer ? await measureRtpengine(count, seconds, fromPort, true) : undefined;
    const ratio = (other: Measured | undefined) => (other === undefined ? "-" : (own.microseconds / other.microseconds).toFixed(2));
    row(
      count,
      own.microseconds.toFixed(2),
      forward?.microseconds.toFixed(2) ?? "-",
      record?.microseconds.toFixed(2) ?? "-",
      ratio(forward),
      ratio(record),
      `${((own.microseconds * own.packets) / seconds / 1e4).toFixed(0)} %`,
      own.chunks,
      own.chunksLost,
      (own.rssBytes / 1e6).toFixed(0),
    );
    const share = (other: Measured | undefined) => (other === undefined ? "-" : `${((100 * other.returned) / other.packets).toFixed(1)} %`);
    const unaccounted = own.sent - own.received - own.kernelDrops;
    console.log(
      `       sent ${own.sent}, kernel dropped ${own.kernelDrops}, received ${own.received}, delivered by the kernel and lost by us ${unaccounted}; ` +
        `records on media.v1 ${own.records}; rtpengine forwarded ${share(forward)} and, recording, ${share(record)}, and recorded ${record === undefined ? "-" : `${(100 * record.recorded).toFixed(1)} %`}; kernel drops at rtpengine ${forward?.kernelDrops ?? "-"} / ${record?.kernelDrops ?? "-"}; ` +
        `sender late by at most ${Math.max(own.behindMs, forward?.behindMs ?? 0, record?.behindMs ?? 0).toFixed(0)} ms`,
    );
  }
  if (peer) console.log("Goal at 1,000 calls: / record at most 0.75, / forward at most 1.00");
}

if (import.meta.main) await run();
