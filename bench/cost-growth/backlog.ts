/**
 * Calls as gateways write them, written faster than they are spoken: the demo dialogues as G.711, cut into chunks by the gateway's own chunker,
 * one packet of each leg after the other, and sent to the log as often as a gateway sends for the time that the call has lasted.
 */
import { loadCallAudio, ptimeMs, type StreamAudio } from "@earshot/deploy/demo-pbx/call-audio.ts";
import { loadTruth } from "@earshot/deploy/demo-pbx/dialogue.ts";
import type { EventLog } from "@earshot/platform/event-log/port.ts";
import { platformSettings } from "@earshot/platform/settings.ts";
import { encodeEvent } from "@earshot/proto/event.ts";
import { Codec } from "@earshot/proto/gen/earshot/v1/media_pb.js";
import { MediaChunkEncoder } from "@earshot/proto/media-chunk-codec.ts";
import { Chunker, type ChunkSink } from "@earshot/sip-gateway/media/chunker.ts";
import { resolveFormat } from "@earshot/sip-gateway/media/payload-format.ts";
import { mediaSettings } from "@earshot/sip-gateway/media/settings.ts";

export const tenant = "bench";
/** What one gateway is planned with (bench/results/machines.md): more calls come from more gateways, each with requests of its own. */
const callsPerGateway = 400;
/** Calls of one dialogue begin at so many places of it: together they speak as much in ten seconds as in a minute. */
const placesOfDialogue = 10;
const codec = "PCMA";
const format = resolveFormat({ encoding: codec, clockRate: 8000, channels: 1 });
const bytesPerPacket = (ptimeMs * format.sampleRate) / 1000;
const packetsPerChunk = mediaSettings.chunkMs.default / ptimeMs;

export type BacklogCall = {
  readonly id: string;
  readonly scenario: string;
  /** Where in its dialogue, which is played again and again, the call begins. */
  readonly shiftMs: number;
  /** Packets of 20 ms that it begins later than the first call. */
  readonly late: number;
  /** Unix milliseconds. */
  readonly startedAtMs: number;
  readonly seconds: number;
};

export type Turn = { readonly leg: number; readonly startMs: number; readonly endMs: number };

/** `count` calls of so many seconds that are up together and end now. */
export function backlogCalls(scenarios: readonly string[], count: number, seconds: number, nowMs: number): BacklogCall[] {
  return Array.from({ length: count }, (_, i) => {
    const scenario = scenarios[i % scenarios.length]!;
    const place = Math.floor(i / scenarios.length) % placesOfDialogue;
    const late = i % packetsPerChunk;
    return {
      id: `call-${count}-${i}`,
      scenario,
      shiftMs: Math.floor((loopPackets(scenario) * place) / placesOfDialogue) * ptimeMs,
      late,
      startedAtMs: nowMs - seconds * 1000 + late * ptimeMs,
      seconds,
    };
  });
}

function loopPackets(scenario: string): number {
  return loadCallAudio(scenario, { codec }).streams[0].frames;
}

/** What is said from beginning to end within the call, by the dialogue's truth. */
export function turnsOf({ scenario, shiftMs, seconds }: BacklogCall): Turn[] {
  const loopMs = loopPackets(scenario) * ptimeMs;
  const turns: Turn[] = [];
  for (let fromMs = -shiftMs; fromMs < seconds * 1000; fromMs += loopMs)
    for (const { speaker, startMs, endMs, text } of loadTruth(scenario).turns)
      if (text !== undefined && fromMs + startMs >= 0 && fromMs + endMs <= seconds * 1000)
        turns.push({ leg: speaker === "agent" ? 0 : 1, startMs: fromMs + startMs, endMs: fromMs + endMs });
  return turns;
}

class SpokenLeg {
  readonly #chunker: Chunker;
  readonly #audio: StreamAudio;
  readonly #firstPacket: number;
  #sent = 0;

  constructor({ id, scenario, shiftMs, startedAtMs }: BacklogCall, leg: number, sink: ChunkSink) {
    const { chunkMs, voicedLevelDbov } = mediaSettings;
    const context = { sink, wallOffsetMs: startedAtMs };
    this.#chunker = new Chunker(id, new MediaChunkEncoder(tenant, id, leg), context, chunkMs.default, voicedLevelDbov.default);
    this.#audio = loadCallAudio(scenario, { codec }).streams[leg]!;
    this.#firstPacket = shiftMs / ptimeMs;
  }

  /** The next 20 ms. */
  packet(): void {
    const at = ((this.#firstPacket + this.#sent) % this.#audio.frames) * bytesPerPacket;
    this.#chunker.place(format, bytesPerPacket, this.#sent * bytesPerPacket, false);
    this.#sent++;
    this.#chunker.add(format, this.#audio.payload, at, at + bytesPerPacket, 0, this.#sent * ptimeMs);
  }
}

/** @yields after each packet of every call: chunks go to `sink` in the order in which calls that are up together make them */
export function* spoken(calls: readonly BacklogCall[], sink: ChunkSink): Generator<void> {
  const legs = calls.map((call) => [0, 1].map((leg) => new SpokenLeg(call, leg, sink)));
  const packets = (Math.max(...calls.map(({ seconds }) => seconds)) * 1000) / ptimeMs;
  for (let now = 0; now < packets + packetsPerChunk; now++) {
    for (const [i, { late }] of calls.entries()) if (now >= late && now < packets + late) for (const leg of legs[i]!) leg.packet();
    yield;
  }
}

/** Their starts, their audio and its line quality. @returns how many chunks */
export async function writeSpoken(eventLog: EventLog, calls: readonly BacklogCall[]): Promise<number> {
  await Promise.all(calls.map((call) => eventLog.publish("calls.v1", call.id, started(call))));
  let chunks = 0;
  let bytes = new Uint8Array(4096);
  const sink: ChunkSink = (key, encoder, fields) => {
    const most = encoder.maxLength(fields);
    if (bytes.length < most) bytes = new Uint8Array(most);
    if (!eventLog.append("media.v1", key, bytes.subarray(0, encoder.encode(fields, bytes, 0))))
      throw new Error("The log's buffer is full.");
    chunks++;
    return true;
  };
  let gateways: Generator<void>[] = [];
  for (let from = 0; from < calls.length; from += callsPerGateway) gateways.push(spoken(calls.slice(from, from + callsPerGateway), sink));
  const packetsPerRequest = platformSettings.kafkaMediaIntervalMs.default / ptimeMs;
  while (gateways.length > 0) {
    const on: Generator<void>[] = [];
    for (const gateway of gateways) {
      let isOver = false;
      for (let i = 0; i < packetsPerRequest; i++) isOver = gateway.next().done === true;
      if (!isOver) on.push(gateway);
      await eventLog.flush();
    }
    gateways = on;
  }
  for (const call of calls)
    for (let toMs = mediaSettings.qualityIntervalMs.default; toMs <= call.seconds * 1000; toMs += mediaSettings.qualityIntervalMs.default)
      for (const leg of [0, 1]) eventLog.append("line-quality.v1", call.id, quality(call, leg, toMs));
  await eventLog.flush();
  return chunks;
}

/** Their ends. */
export async function writeEnds(eventLog: EventLog, calls: readonly BacklogCall[]): Promise<void> {
  await Promise.all(calls.map((call) => eventLog.publish("calls.v1", call.id, ended(call))));
}

const legs = [
  { index: 0, label: "1", speaker: 1, speakerReason: "extension-map", agentName: "Ann", codec: Codec.PCMA, state: "active" },
  { index: 1, label: "2", speaker: 2, speakerReason: "extension-map", codec: Codec.PCMA, state: "active" },
].map((leg) => ({ ...leg, participant: { name: "", address: `sip:10${leg.index}@pbx.example` } }));

function started({ id, startedAtMs }: BacklogCall): Uint8Array {
  const value = {
    startedAtMs,
    trunkId: "t-1",
    trunkName: "Main",
    legs,
    sipCallId: `${id}@pbx.example`,
    direction: "inbound",
    queue: "Service",
  };
  const payload = { case: "callStarted" as const, value: { ...value, source: "siprec", peer: "192.0.2.1:5060", gatewayId: "bench" } };
  return encodeEvent({ id: `${id}-started`, tenantId: tenant, callId: id, occurredAtMs: startedAtMs, payload });
}

function ended({ id, startedAtMs, seconds }: BacklogCall): Uint8Array {
  const endedAtMs = startedAtMs + seconds * 1000;
  const value = { startedAtMs, endedAtMs, termination: "bye", legs, packetsReceived: (2 * seconds * 1000) / ptimeMs };
  return encodeEvent({ id: `${id}-ended`, tenantId: tenant, callId: id, occurredAtMs: endedAtMs, payload: { case: "callEnded", value } });
}

function quality({ id, startedAtMs }: BacklogCall, leg: number, toMs: number): Uint8Array {
  const fromMs = toMs - mediaSettings.qualityIntervalMs.default;
  const packets = (toMs - fromMs) / ptimeMs;
  const counts = { packetsExpected: packets, packetsReceived: packets, burstRatio: 1, rFactor: 93, mos: 4.4, jitterMs: 0.5, codec };
  const payload = { case: "lineQuality" as const, value: { leg, fromMs, toMs, ...counts } };
  return encodeEvent({ id: `${id}-${leg}-quality-${toMs}`, tenantId: tenant, callId: id, occurredAtMs: startedAtMs + toMs, payload });
}
