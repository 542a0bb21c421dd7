/** Places one demo call: INVITE with metadata, two RTP streams played from a dialogue, BYE at the end. Nothing about it is pretended. */
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { loadCallAudio } from "./call-audio.ts";
import type { DemoCodec, Impairment } from "./dialogue.ts";
import { RtpSender } from "./rtp-sender.ts";
import { answeredPorts, offerBody } from "./session-offer.ts";
import { parseSip, RecordingDialog } from "./sip-client.ts";

export type DemoCallOptions = {
  scenario: string;
  /** Where Earshot listens for SIP (UDP). */
  recorder: { address: string; port: number };
  /** On top of the scenario's own. */
  impairment?: Impairment;
  /** For both streams, in place of the scenario's own. */
  codec?: DemoCodec;
  /** Seconds to play at most; the whole dialogue where absent. */
  seconds?: number;
  /** User part of the request URI, for trunks that tell tenants apart by it. */
  user?: string;
  /** Ends the call early. */
  signal?: AbortSignal;
};

export type DemoCallHandle = {
  /** Call-ID of the recording session. */
  sipCallId: string;
  /** Unix milliseconds at which the first frame was sent. */
  playingSinceMs: number;
  /** Resolves when the call has ended, with why. */
  ended: Promise<"played" | "stopped" | "recorder">;
};

const reportEveryFrames = 250;

/**
 * Resolves when the recorder has answered and audio flows.
 * @throws EarshotError (forbidden, unavailable, timeout, corrupt) where the recorder does not take the call
 */
export async function placeDemoCall(options: DemoCallOptions): Promise<DemoCallHandle> {
  const audio = loadCallAudio(options.scenario, { swapped: options.impairment?.swapChannels, codec: options.codec });
  const impairment = { ...audio.dialogue.impairment, ...options.impairment };
  const local = options.recorder.address.startsWith("127.") ? "127.0.0.1" : "0.0.0.0";
  const sockets: Socket[] = [];
  const bind = async (): Promise<Socket> => {
    const socket = createSocket("udp4");
    sockets.push(socket);
    socket.bind(0, local);
    await once(socket, "listening");
    socket.on("error", () => {});
    return socket;
  };
  const closeAll = (): void => {
    for (const socket of sockets) socket.close();
  };
  try {
    const sip = await bind();
    const rtp: [Socket, Socket] = [await bind(), await bind()];
    const address = await localAddressTowards(options.recorder);
    const { direction, agent, caller } = audio.dialogue;
    const placedBy = direction === "inbound" ? caller.number : agent.extension;
    const dialog = new RecordingDialog(sip, { address, port: sip.address().port }, options.recorder, placedBy, options.user);
    sip.on("message", (datagram) => {
      const message = parseSip(datagram.toString("utf8"));
      if (message?.headers.get("call-id") === dialog.callId) dialog.receive(message);
    });
    let endedByRecorder = false;
    dialog.onEnded = () => {
      endedByRecorder = true;
    };
    const answer = await dialog.invite(offerBody(address, [rtp[0].address().port, rtp[1].address().port], audio.dialogue));
    const targets = answeredPorts(answer, 2);
    const senders = rtp.map((socket, stream) => {
      const { address: host, port } = targets[stream]!;
      const send = (packet: Buffer): void => socket.send(packet, port, host, () => {});
      return new RtpSender(send, audio.streams[stream]!, impairment, impairment.oneWay === true && stream === 1);
    });
    const playingSinceMs = Date.now();
    const ended = play(senders, rtp, targets, options, () => endedByRecorder).then(async (why) => {
      if (why !== "recorder") await dialog.bye();
      for (const sender of senders) sender.stop();
      closeAll();
      return why;
    });
    return { sipCallId: dialog.callId, playingSinceMs, ended };
  } catch (error) {
    closeAll();
    throw error;
  }
}

/** Keeps to the wall clock: a late timer sends what is due, so that the stream never drifts. */
function play(
  senders: RtpSender[],
  sockets: readonly Socket[],
  targets: { address: string; port: number }[],
  options: DemoCallOptions,
  endedByRecorder: () => boolean,
): Promise<"played" | "stopped" | "recorder"> {
  return new Promise((resolve) => {
    const startedAt = performance.now();
    const lastFrame = options.seconds === undefined ? Number.POSITIVE_INFINITY : options.seconds * 50;
    let frame = 0;
    const timer = setInterval(() => {
      const due = Math.floor((performance.now() - startedAt) / 20) + 1;
      for (; frame < due; frame++) {
        const more = senders.map((sender) => sender.sendFrame());
        if (frame % reportEveryFrames === 0)
          senders.forEach((sender, i) => {
            sockets[i]!.send(sender.report(Date.now()), targets[i]!.port + 1, targets[i]!.address, () => {});
          });
        const why = endedByRecorder()
          ? "recorder"
          : options.signal?.aborted === true
            ? "stopped"
            : more.includes(true) && frame < lastFrame
              ? undefined
              : "played";
        if (why !== undefined) {
          clearInterval(timer);
          resolve(why);
          return;
        }
      }
    }, 10);
  });
}

/** The address of this machine that the recorder can send to. */
async function localAddressTowards(peer: { address: string; port: number }): Promise<string> {
  const probe = createSocket("udp4");
  try {
    probe.connect(peer.port, peer.address);
    await once(probe, "connect");
    return probe.address().address;
  } finally {
    probe.close();
  }
}
