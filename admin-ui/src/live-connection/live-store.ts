/**
 * What is going on now, as this page knows it: calls, the transcripts that somebody looks at, alerts, and the state of the connection.
 * Readers subscribe to one key (`call:<id>`, `transcript:<id>`, `calls`, `alerts`, `connection`), so that one event renders one row.
 * Calls and segments are replaced, never changed in place: identity tells React what is new.
 */
import type { Alert, Segment } from "@earshot/proto/api/calls.ts";
import type { LiveCall, LiveEvent, ServerMessage } from "@earshot/proto/api/live.ts";
import { mergeSegments, orderedInsert } from "./transcript.ts";

export interface EndedCall {
  endedAt: string;
  termination: string;
  detail: string;
}
/** A live call, or one that has ended while this page was open. */
export interface BoardCall extends LiveCall {
  ended: EndedCall | null;
}

export interface Connection {
  state: "connecting" | "open" | "lost";
  /** Epoch ms since when the connection is lost; null while it is up. */
  lostSince: number | null;
  speech: { engine: string; usable: boolean; reason: string; remedy: string } | null;
  /** False until the first snapshot. */
  loaded: boolean;
  /** Server clock minus ours in ms, so that durations tick right on a machine whose clock is wrong. */
  clockOffsetMs: number;
  droppedEvents: number;
}

type LiveStage = LiveCall["stages"][number];
const stageIndex = { record: 0, media: 1, transcript: 2, insight: 3, score: 4 } as const;
const curvePoints = 30;
const alertLimit = 200;
/** Calls that have ended stay for their readers; beyond this the oldest go. */
const endedLimit = 200;

const initialConnection: Connection = {
  state: "connecting",
  lostSince: null,
  speech: null,
  loaded: false,
  clockOffsetMs: 0,
  droppedEvents: 0,
};

export class LiveStore {
  cursor: string | null = null;
  private readonly calls = new Map<string, BoardCall>();
  private readonly transcripts = new Map<string, readonly Segment[]>();
  private readonly watched = new Map<string, number>();
  private readonly listeners = new Map<string, Set<() => void>>();
  private readonly changed = new Set<string>();
  private ids: readonly string[] = [];
  private alertList: readonly Alert[] = [];
  private connectionState: Connection = { ...initialConnection };
  /** Called for each watched call whose transcript may have a gap. */
  onGap: (callId: string) => void = () => {};

  /** Forgets everything: the next person on this page may belong to another tenant. */
  reset(): void {
    this.cursor = null;
    for (const id of this.calls.keys()) this.touch(`call:${id}`);
    for (const id of this.transcripts.keys()) this.touch(`transcript:${id}`);
    for (const key of ["calls", "alerts", "connection"]) this.touch(key);
    this.calls.clear();
    this.transcripts.clear();
    this.ids = [];
    this.alertList = [];
    this.connectionState = { ...initialConnection };
    this.flush();
  }

  subscribe(key: string, listener: () => void): () => void {
    const set = this.listeners.get(key) ?? new Set();
    this.listeners.set(key, set.add(listener));
    return () => {
      set.delete(listener);
      if (set.size === 0) this.listeners.delete(key);
    };
  }

  callIds = (): readonly string[] => this.ids;
  call = (id: string): BoardCall | undefined => this.calls.get(id);
  transcript = (id: string): readonly Segment[] => this.transcripts.get(id) ?? none;
  alerts = (): readonly Alert[] => this.alertList;
  connection = (): Connection => this.connectionState;

  /** Keeps the transcript of a call from now on; ask the server for what was before. Call the answer when nobody looks any more. */
  watch(callId: string): () => void {
    this.watched.set(callId, (this.watched.get(callId) ?? 0) + 1);
    return () => {
      const left = (this.watched.get(callId) ?? 1) - 1;
      if (left > 0) this.watched.set(callId, left);
      else {
        this.watched.delete(callId);
        this.transcripts.delete(callId);
      }
    };
  }

  watchedCalls = (): string[] => [...this.watched.keys()];

  /** Puts what `GET …/transcript` answered under what has come over the socket since. */
  fillTranscript(callId: string, segments: readonly Segment[]): void {
    if (!this.watched.has(callId)) return;
    this.transcripts.set(callId, mergeSegments(segments, this.transcript(callId)));
    this.takeSides(callId);
    this.touch(`transcript:${callId}`);
    this.flush();
  }

  /** Puts the alerts of the recent past, as `GET /alerts` answered, under those that have come since. */
  fillAlerts(alerts: readonly Alert[]): void {
    for (const alert of alerts) this.addAlert(alert);
    this.flush();
  }

  setConnection(next: Partial<Connection>): void {
    this.connectionState = { ...this.connectionState, ...next };
    this.touch("connection");
    this.flush();
  }

  /** Takes one message of the live socket, `now` in epoch ms, and tells every reader concerned once. */
  apply(message: ServerMessage, now: number): void {
    switch (message.type) {
      case "hello":
        // Its cursor is not ours: we resume from what we have seen, and without a snapshot that is nothing.
        this.connectionState = {
          ...this.connectionState,
          speech: message.speech,
          clockOffsetMs: Date.parse(message.serverTime) - now,
        };
        this.touch("connection");
        break;
      case "snapshot":
      case "summary":
        this.cursor = message.cursor;
        this.replaceAll(message.calls, now);
        this.connectionState = {
          ...this.connectionState,
          loaded: true,
          droppedEvents: this.connectionState.droppedEvents + (message.type === "summary" ? message.droppedEvents : 0),
        };
        this.touch("connection");
        for (const id of this.watched.keys()) this.onGap(id);
        break;
      case "batch":
        this.cursor = message.cursor;
        for (const event of message.events) this.applyEvent(event);
        break;
    }
    this.flush();
  }

  private replaceAll(calls: readonly LiveCall[], now: number): void {
    const present = new Set(calls.map((call) => call.id));
    for (const [id, call] of this.calls) {
      if (present.has(id) || call.ended !== null) continue;
      // It ended while the connection was lost: how, the call page knows.
      this.put(id, { ...call, ended: { endedAt: new Date(now).toISOString(), termination: "", detail: "" } });
    }
    for (const call of calls) {
      this.put(call.id, { ...call, ended: null });
      this.takeSides(call.id);
      for (const alert of call.alerts) this.addAlert(alert);
    }
    this.listIds();
  }

  private applyEvent(event: LiveEvent): void {
    switch (event.type) {
      case "call.started":
        this.put(event.call.id, { ...event.call, ended: null });
        return;
      case "call.updated":
        this.put(event.callId, { ...event.call, ended: this.calls.get(event.callId)?.ended ?? null });
        this.takeSides(event.callId);
        return;
      case "call.ended":
        this.change(event.callId, {
          ended: { endedAt: event.endedAt, termination: event.termination, detail: event.detail },
          termination: event.termination,
          endedAt: event.endedAt,
        });
        this.dropOldEnded();
        return;
      case "transcript.partial":
      case "transcript.final": {
        const { segment, callId } = event;
        if (this.watched.has(callId)) {
          this.transcripts.set(callId, orderedInsert(this.transcript(callId), segment));
          this.takeSides(callId);
          this.touch(`transcript:${callId}`);
        }
        if (segment.text !== "") this.change(callId, { lastWords: { speaker: segment.speaker, text: segment.text, final: segment.final } });
        return;
      }
      case "sentiment": {
        const call = this.calls.get(event.callId);
        if (call === undefined) return;
        if (event.speaker !== "mixed") {
          const points = call.sentimentCurve[event.speaker].filter(([at]) => at !== event.startMs);
          const side = [...points, [event.startMs, event.score] as [number, number]].sort((a, b) => a[0] - b[0]).slice(-curvePoints);
          this.change(event.callId, { sentimentCurve: { ...call.sentimentCurve, [event.speaker]: side } });
        }
        const segments = this.transcripts.get(event.callId);
        const found = segments?.find((segment) => segment.segmentId === event.segmentId);
        if (segments !== undefined && found !== undefined) {
          this.transcripts.set(
            event.callId,
            segments.map((segment) => (segment === found ? { ...segment, sentiment: event.score } : segment)),
          );
          this.touch(`transcript:${event.callId}`);
        }
        return;
      }
      case "metrics":
        this.change(event.callId, { conversation: event.conversation, talkRatio: event.conversation.talkRatio });
        return;
      case "line-quality": {
        const call = this.calls.get(event.callId);
        if (call === undefined) return;
        const lineQuality = [...call.lineQuality.filter((line) => line.leg !== event.lineQuality.leg), event.lineQuality];
        this.change(event.callId, { lineQuality: lineQuality.sort((a, b) => a.leg - b.leg) });
        return;
      }
      case "attention":
        this.change(event.callId, { attention: event.attention.score, attentionReasons: event.attention.reasons });
        return;
      case "alert": {
        const call = this.calls.get(event.callId);
        this.addAlert(event.alert);
        if (call === undefined || call.alerts.some((alert) => alert.alertId === event.alert.alertId)) return;
        this.change(event.callId, { alerts: [...call.alerts, event.alert], alertCount: call.alertCount + 1 });
        return;
      }
      case "ledger": {
        const call = this.calls.get(event.callId);
        if (call === undefined) return;
        const stages: LiveStage[] = [...call.stages];
        stages[stageIndex[event.stage.stage]] = event.stage.outcome;
        this.change(event.callId, { stages });
      }
    }
  }

  /** Words already here move when agent and caller are swapped: a leg's side is the side of all its words. */
  private takeSides(callId: string): void {
    const segments = this.transcripts.get(callId);
    const sides = new Map(this.calls.get(callId)?.legs.map((leg) => [leg.index, leg.speaker]));
    const moved = (segment: Segment) => (sides.get(segment.leg) ?? segment.speaker) !== segment.speaker;
    if (segments === undefined || !segments.some(moved)) return;
    this.transcripts.set(
      callId,
      segments.map((segment) => (moved(segment) ? { ...segment, speaker: sides.get(segment.leg) ?? segment.speaker } : segment)),
    );
    this.touch(`transcript:${callId}`);
  }

  private addAlert(alert: Alert): void {
    if (this.alertList.some((known) => known.alertId === alert.alertId)) return;
    this.alertList = [alert, ...this.alertList].sort((a, b) => b.raisedAt.localeCompare(a.raisedAt)).slice(0, alertLimit);
    this.touch("alerts");
  }

  private put(id: string, call: BoardCall): void {
    const isNew = !this.calls.has(id);
    this.calls.set(id, call);
    this.touch(`call:${id}`);
    if (isNew) this.listIds();
  }

  private change(id: string, part: Partial<BoardCall>): void {
    const call = this.calls.get(id);
    if (call === undefined) return;
    this.calls.set(id, { ...call, ...part });
    this.touch(`call:${id}`);
    if (part.ended !== undefined) this.touch("calls");
  }

  private dropOldEnded(): void {
    const ended = [...this.calls.values()].filter((call) => call.ended !== null && !this.watched.has(call.id));
    if (ended.length <= endedLimit) return;
    ended.sort((a, b) => (a.ended?.endedAt ?? "").localeCompare(b.ended?.endedAt ?? ""));
    for (const call of ended.slice(0, ended.length - endedLimit)) this.calls.delete(call.id);
    this.listIds();
  }

  private listIds(): void {
    this.ids = [...this.calls.keys()];
    this.touch("calls");
  }

  private touch(key: string): void {
    this.changed.add(key);
  }

  private flush(): void {
    const keys = [...this.changed];
    this.changed.clear();
    for (const key of keys) for (const listener of this.listeners.get(key) ?? []) listener();
  }
}

const none: readonly Segment[] = [];
