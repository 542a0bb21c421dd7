/** The calls of the fake API: those that are up tell their story turn by turn over the live sockets, and join the past when they end. */
import type { CallDetail, Segment, Termination } from "@earshot/proto/api/calls.ts";
import type { LiveCall, LiveEvent } from "@earshot/proto/api/live.ts";
import {
  badLine,
  billing,
  chance,
  type Line,
  lineAt,
  longScript,
  makeCall,
  measure,
  type ScriptedCall,
  scripted,
  scripts,
} from "./fake-calls.ts";
import { flipCall, flipSegment, withoutUnheard } from "./fake-commands.ts";
import { tone } from "./fake-files.ts";
import type { FakeSocket } from "./fake-socket.ts";
import { speechEngine } from "./fake-status.ts";

export interface FakeLiveOptions {
  /** Live calls that are up from the start. */
  liveCalls?: number;
  /** Calls of the past. */
  pastCalls?: number;
  /** One more call that is up, `live-long`, and one of the past, `call-long`, with so many turns; the live one is near its end. */
  longTurns?: number;
  /** A call that ends is followed by another. */
  keepUp?: boolean;
  /** How fast scripted time goes. */
  speed?: number;
  /** The recording of a call that has ended is put together for so long. */
  recordingTakesMs?: number;
  speechUsable?: boolean;
}

type Call = CallDetail & LiveCall;

interface Up {
  call: Call;
  seed: number;
  whole: ScriptedCall;
  startedAt: number;
  /** Epoch ms since which the recording is paused. */
  pausedAt: number | null;
  /** Words told of each segment. */
  told: Map<string, number>;
}

const tickMs = 250;
/** So long after its last word a segment is final. */
const settleMs = 400;
/** Commands are taken at once and done a moment later, as the gateway and the stores behind the product do. */
const commandTakesMs = 300;
/** Told as final. */
const whole = Number.POSITIVE_INFINITY;

export class FakeLive {
  private readonly options: FakeLiveOptions;
  private readonly speed: number;
  private readonly past: Call[];
  private readonly pastScripts = new Map<string, readonly Line[]>();
  private readonly up = new Map<string, Up>();
  private readonly sockets = new Map<FakeSocket, { listening: string | null; at: number }>();
  /** Calls whose agent and caller were swapped. */
  private readonly swapped = new Set<string>();
  private readonly timers: NodeJS.Timeout[];
  private cursor = 1;
  private serial = 0;

  constructor(options: FakeLiveOptions) {
    this.options = options;
    this.speed = options.speed ?? 1;
    this.past = Array.from({ length: options.pastCalls ?? 140 }, (_, index) => {
      const startedAt = Date.now() - 3_600_000 * (1 + index * 3.7 + chance(index) * 3);
      return this.pastCall(`call-${1000 + index}`, index, startedAt, scripts[index % 3] ?? billing);
    });
    for (let index = 0; index < (options.liveCalls ?? 7); index += 1)
      this.place(scripts[index % 3] ?? billing, index < 3 ? 26_000 - index * 7000 : chance(index) * 30_000);
    if (options.longTurns !== undefined) {
      const script = longScript(options.longTurns);
      const { durationMs } = scripted("", script);
      this.past.push(this.pastCall("call-long", 1, Date.now() - durationMs - 60_000, script));
      this.place(script, durationMs - 40_000, "live-long");
    }
    this.timers = [setInterval(() => this.tick(), tickMs), setInterval(() => this.playAudio(), 100)];
  }

  /** Puts a call up that is already `aheadMs` long. */
  place(script: readonly Line[], aheadMs: number, id?: string): Call {
    this.serial += 1;
    const name = id ?? `live-${this.serial}`;
    const startedAt = Date.now() - aheadMs / this.speed;
    const call = makeCall(name, this.serial, startedAt, script, aheadMs);
    call.lineQuality = call.lineQuality.slice(-2);
    const story = scripted(name, script);
    const told = story.segments
      .filter((segment) => segment.endMs <= aheadMs)
      .map((segment): [string, number] => [segment.segmentId, whole]);
    this.up.set(name, { call, seed: this.serial, whole: story, startedAt, pausedAt: null, told: new Map(told) });
    return call;
  }

  /** Puts a call up that begins now, and tells everybody. */
  begin(script: readonly Line[]): Call {
    const call = this.place(script, 0);
    this.broadcast([{ type: "call.started", call }]);
    return call;
  }

  liveCalls = (): Call[] => [...this.up.values()].map((entry) => entry.call);
  allCalls = (): Call[] => [...this.liveCalls(), ...this.past];
  call = (id: string): Call | undefined => this.up.get(id)?.call ?? this.past.find((call) => call.id === id);
  isUp = (id: string): boolean => this.up.has(id);

  /** What was said until now, whole turns only. */
  transcript(id: string): Segment[] {
    const entry = this.up.get(id);
    if (entry !== undefined) {
      const now = (Date.now() - entry.startedAt) * this.speed;
      return entry.whole.segments.filter((segment) => segment.endMs + settleMs <= now);
    }
    const told = scripted(id, this.pastScripts.get(id) ?? billing).segments;
    return this.swapped.has(id) ? told.map(flipSegment) : told;
  }

  pause(id: string, paused: boolean): void {
    this.later(id, (call) => {
      const entry = this.up.get(id);
      call.recordingPaused = paused;
      if (entry !== undefined) entry.pausedAt = paused ? Date.now() : null;
    });
  }

  stopCall(id: string): void {
    setTimeout(() => {
      const entry = this.up.get(id);
      if (entry !== undefined) this.broadcast([this.end(id, entry, "stopped")]);
    }, commandTakesMs);
  }

  setSpeakers(id: string, wanted: readonly { index: number; speaker: string }[]): void {
    this.later(id, (call) => {
      if (wanted.every(({ index, speaker }) => call.legs[index]?.speaker === speaker)) return;
      flipCall(call);
      if (!this.swapped.delete(id)) this.swapped.add(id);
      const entry = this.up.get(id);
      if (entry !== undefined) entry.whole.segments = entry.whole.segments.map(flipSegment);
    });
  }

  /** Greets a new live connection and answers what it asks. */
  accept(socket: FakeSocket): void {
    const say = (message: object) => socket.send(JSON.stringify(message));
    this.sockets.set(socket, { listening: null, at: 0 });
    socket.onClose = () => this.sockets.delete(socket);
    const [serverTime, cursor] = [new Date().toISOString(), String(this.cursor)];
    say({ type: "hello", tenantId: "tenant-1", serverTime, cursor, speech: speechEngine(this.options.speechUsable ?? true) });
    say({ type: "snapshot", cursor, calls: this.liveCalls() });
    socket.onText = (text) => {
      const message = JSON.parse(text) as { type: string; callId?: string; on?: boolean };
      if (message.type === "ping") say({ type: "pong", serverTime: new Date().toISOString() });
      if (message.type === "listen") {
        const state = this.sockets.get(socket);
        if (state !== undefined) state.listening = message.on ? (message.callId ?? null) : null;
        say({ type: "listening", callId: message.callId, on: message.on, sampleRate: 16_000 });
      }
    };
  }

  cutConnections(): void {
    for (const socket of [...this.sockets.keys()]) socket.close();
  }

  stop(): void {
    for (const timer of this.timers) clearInterval(timer);
    this.cutConnections();
  }

  private pastCall(id: string, seed: number, startedAt: number, script: readonly Line[]): Call {
    this.pastScripts.set(id, script);
    return makeCall(id, seed, startedAt, script, null);
  }

  private later(id: string, change: (call: Call) => void): void {
    setTimeout(() => {
      const call = this.call(id);
      if (call === undefined) return;
      change(call);
      if (this.up.has(id)) this.broadcast([{ type: "call.updated", callId: id, call }]);
    }, commandTakesMs);
  }

  private broadcast(events: LiveEvent[]): void {
    if (events.length === 0) return;
    this.cursor += 1;
    const text = JSON.stringify({ type: "batch", cursor: String(this.cursor), events });
    for (const socket of this.sockets.keys()) socket.send(text);
  }

  private end(id: string, entry: Up, termination: Termination): LiveEvent {
    this.up.delete(id);
    const ended = this.pastCall(id, entry.seed, entry.startedAt, entry.whole.script);
    if (this.swapped.has(id)) flipCall(ended);
    const done = { ...ended, termination };
    const takesMs = this.options.recordingTakesMs ?? 0;
    this.past.unshift(takesMs === 0 ? done : { ...done, recording: null, stages: ["running", "done", "done", "running", "running"] });
    const place = () => this.past.findIndex((call) => call.id === id);
    if (takesMs > 0) setTimeout(() => this.past.splice(place(), 1, done), takesMs);
    return { type: "call.ended", callId: id, endedAt: new Date().toISOString(), termination, detail: "" };
  }

  private tick(): void {
    const events: LiveEvent[] = [];
    for (const [id, entry] of this.up) {
      const now = (Date.now() - entry.startedAt) * this.speed;
      if (entry.pausedAt !== null)
        entry.whole.segments = withoutUnheard(entry.whole.segments, (entry.pausedAt - entry.startedAt) * this.speed, now);
      for (const segment of entry.whole.segments) {
        if (segment.startMs > now) break;
        if (entry.told.get(segment.segmentId) !== whole) events.push(...this.tell(id, entry, segment, now));
      }
      const passes = (everyMs: number) => Math.floor(now / everyMs) !== Math.floor((now - tickMs * this.speed) / everyMs);
      if (passes(1000)) {
        const spoken = entry.whole.segments.filter((segment) => segment.startMs < now);
        entry.call.conversation = measure(
          spoken.map((segment) => ({ ...segment, endMs: Math.min(segment.endMs, now) })),
          now,
        );
        events.push({ type: "metrics", callId: id, conversation: entry.call.conversation });
      }
      if (passes(5000)) {
        for (const leg of [0, 1]) {
          const line = lineAt(leg, Math.floor(now / 5000) * 5000 - 5000, entry.whole.script === badLine);
          entry.call.lineQuality = [...entry.call.lineQuality.filter((each) => each.leg !== leg), line];
          events.push({ type: "line-quality", callId: id, lineQuality: line });
        }
      }
      if (now > entry.whole.durationMs) {
        events.push(this.end(id, entry, "bye"));
        if (this.options.keepUp) events.push({ type: "call.started", call: this.place(entry.whole.script, 0) });
      }
    }
    this.broadcast(events);
  }

  /** What there is to say of one segment that has begun: its words so far, or once it is over the whole of it and what follows from it. */
  private tell(id: string, entry: Up, segment: Segment, now: number): LiveEvent[] {
    const { segmentId, speaker, startMs, text } = segment;
    if (now < segment.endMs + settleMs) {
      const heard = segment.words.filter((word) => word.endMs <= now);
      if (heard.length <= (entry.told.get(segmentId) ?? 0)) return [];
      entry.told.set(segmentId, heard.length);
      const partial = { text: heard.map((word) => word.text).join(" "), words: [], final: false, revision: heard.length, sentiment: null };
      return [{ type: "transcript.partial", callId: id, segment: { ...segment, ...partial, endMs: Math.round(now) } }];
    }
    entry.told.set(segmentId, whole);
    entry.call.lastWords = { speaker, text, final: true };
    const events: LiveEvent[] = [
      { type: "transcript.final", callId: id, segment: { ...segment, sentiment: null } },
      { type: "sentiment", callId: id, segmentId, speaker, startMs, score: segment.sentiment ?? 0, trend: 0 },
    ];
    const fresh = makeCall(id, entry.seed, entry.startedAt, entry.whole.script, segment.endMs + 1);
    if (this.swapped.has(id)) flipCall(fresh);
    const { attention, attentionReasons, sentimentCurve } = fresh;
    if (attention !== entry.call.attention)
      events.push({ type: "attention", callId: id, attention: { score: attention, reasons: attentionReasons, version: "1" } });
    for (const alert of fresh.alerts.slice(entry.call.alerts.length))
      events.push({ type: "alert", callId: id, alert: { ...alert, raisedAt: new Date().toISOString() } });
    Object.assign(entry.call, { sentimentCurve, attention, attentionReasons, alerts: fresh.alerts, alertCount: fresh.alerts.length });
    return events;
  }

  private playAudio(): void {
    for (const [socket, state] of this.sockets) {
      if (state.listening === null) continue;
      socket.send(tone(state.listening, state.at));
      state.at += 100;
    }
  }
}
