/** Debian's rtpengine in user space, with a number of two-party calls that it forwards, and records where asked. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { NgClient } from "./ng-client.ts";
import { ahead } from "./priority.ts";

const binary = "/usr/bin/rtpengine";
export const rtpengineInstalled = (): boolean => existsSync(binary);

export type RunningRtpengine = {
  readonly pid: number;
  /** Where the streams of all calls are to be sent: two ports per call. */
  readonly ports: number[];
  /** @returns packets of the bench's length that its recordings hold, once all are written */
  stop(): Promise<{ recorded: number }>;
};

/** A pcap file's header, and what stands before and around each RTP packet in it: record header, IP, UDP, and the packet. */
const pcapHeaderBytes = 24;
const pcapPacketBytes = 16 + 20 + 8 + 172;

async function recordedPackets(directory: string): Promise<number> {
  let packets = 0;
  for (const name of await readdir(directory)) {
    const { size } = await stat(join(directory, name));
    packets += Math.max(0, size - pcapHeaderBytes) / pcapPacketBytes;
  }
  return Math.round(packets);
}

/** @param parties ports on loopback, two of each call, that the media is forwarded to */
export async function startRtpengine(fromPort: number, parties: readonly number[], record: boolean): Promise<RunningRtpengine> {
  const calls = parties.length / 2;
  const spool = await mkdtemp(join(tmpdir(), "earshot-bench-rtpengine-"));
  await mkdir(join(spool, "pcaps"));
  const ngPort = fromPort - 1;
  const [program = process.execPath, ...first] = [...ahead(), binary];
  const child: ChildProcess = spawn(
    program,
    [
      ...first,
      "--config-file=none",
      "--foreground",
      "--table=-1",
      "--interface=127.0.0.1",
      `--listen-ng=127.0.0.1:${ngPort}`,
      `--port-min=${fromPort}`,
      `--port-max=${fromPort + calls * 8 + 64}`,
      "--log-stderr",
      "--log-level=3",
      `--pidfile=${join(spool, "pid")}`,
      ...(record ? ["--recording-method=pcap", "--recording-format=raw", `--recording-dir=${spool}`] : []),
    ],
    { stdio: ["ignore", "ignore", "pipe"], cwd: spool },
  );
  let complaints = 0;
  child.stderr!.on("data", (text: Buffer) => {
    // Under overload it says the same thousands of times.
    if (++complaints <= 3) process.stderr.write(`rtpengine: ${text.toString().slice(0, 300)}\n`);
  });
  const client = new NgClient(ngPort);
  const stop = async (): Promise<{ recorded: number }> => {
    client.close();
    if (child.exitCode === null && child.signalCode === null) {
      child.kill("SIGTERM");
      await Promise.race([new Promise((resolve) => child.once("exit", resolve)), new Promise((resolve) => setTimeout(resolve, 5000))]);
      child.kill("SIGKILL");
    }
    const recorded = await recordedPackets(join(spool, "pcaps"));
    await rm(spool, { recursive: true, force: true });
    return { recorded };
  };
  try {
    for (let tries = 0; ; tries++) {
      try {
        await client.ask({ command: "ping" });
        break;
      } catch (error) {
        if (tries === 10 || child.exitCode !== null) throw error;
      }
    }
    const ports: number[] = [];
    const portOf = (answer: { [key: string]: unknown }) => Number(/^m=audio (\d+)/m.exec(String(answer.sdp))![1]);
    const sdp = (port: number) =>
      `v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio ${port} RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\na=sendrecv\r\n`;
    for (let call = 0; call < calls; call++) {
      const common = { "call-id": `bench-${call}`, "from-tag": "a", ICE: "remove" };
      // The media comes from one port, and not from where it is wanted: do not learn the one from the other.
      const flags = ["asymmetric"];
      const recording: Record<string, string> = record ? { "record call": "yes" } : {};
      ports.push(portOf(await client.ask({ command: "offer", ...common, ...recording, flags, sdp: sdp(parties[2 * call]!) })));
      ports.push(
        portOf(await client.ask({ command: "answer", ...common, "to-tag": "b", ...recording, flags, sdp: sdp(parties[2 * call + 1]!) })),
      );
    }
    return { pid: child.pid!, ports, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
