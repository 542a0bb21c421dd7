/** The page's one live connection, and the hooks through which components read it. */
import type { Alert, Segment } from "@earshot/proto/api/calls.ts";
import { useCallback, useEffect, useState, useSyncExternalStore } from "react";
import { request } from "../api-client/request.ts";
import { AudioPlayer } from "./audio-player.ts";
import { LiveSocket } from "./live-socket.ts";
import { type BoardCall, type Connection, LiveStore } from "./live-store.ts";

export const liveStore = new LiveStore();

const socket = new LiveSocket(liveStore, {
  open: () => new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/api/v1/live`),
  now: Date.now,
  later: (run, ms) => window.setTimeout(run, ms),
  cancel: (timer) => window.clearTimeout(timer),
  random: Math.random,
});

/** Connects, and asks for the alerts of the last hour, which no snapshot carries once their calls have ended. */
export function startLive(): void {
  socket.start();
  const since = new Date(Date.now() - 3_600_000).toISOString();
  // Without them the bell begins empty and fills with the next alert.
  void request<{ data: Alert[] }>("/alerts", { query: { since, perPage: 100 } })
    .then(({ data }) => liveStore.fillAlerts(data))
    .catch(() => undefined);
}
/** Leaves, and forgets what was seen. */
export function stopLive(): void {
  listenTo(null);
  socket.stop();
  liveStore.reset();
}
export const retryLive = (): void => socket.retryNow();

async function fillGap(callId: string): Promise<void> {
  const { data } = await request<{ data: Segment[] }>(`/calls/${encodeURIComponent(callId)}/transcript`);
  liveStore.fillTranscript(callId, data);
}
// A gap that could not be filled now is filled with the next snapshot: the page shows the lost connection meanwhile.
liveStore.onGap = (callId) => void fillGap(callId).catch(() => undefined);

export function useLiveCall(id: string): BoardCall | undefined {
  const subscribe = useCallback((listener: () => void) => liveStore.subscribe(`call:${id}`, listener), [id]);
  return useSyncExternalStore(subscribe, () => liveStore.call(id));
}

const onCalls = (listener: () => void) => liveStore.subscribe("calls", listener);
export const useCallIds = (): readonly string[] => useSyncExternalStore(onCalls, liveStore.callIds);

const onConnection = (listener: () => void) => liveStore.subscribe("connection", listener);
export const useConnection = (): Connection => useSyncExternalStore(onConnection, liveStore.connection);

const onAlerts = (listener: () => void) => liveStore.subscribe("alerts", listener);
export const useAlerts = (): readonly Alert[] => useSyncExternalStore(onAlerts, liveStore.alerts);

/** The transcript of a live call: asks for what was said before, then follows. `error` tells why the past is missing. */
export function useLiveTranscript(id: string): { segments: readonly Segment[]; loading: boolean; error: unknown } {
  const [loading, setLoading] = useState(true);
  const [error, setError] = useState<unknown>(null);
  useEffect(() => {
    const unwatch = liveStore.watch(id);
    setLoading(true);
    setError(null);
    fillGap(id)
      .catch(setError)
      .finally(() => setLoading(false));
    return unwatch;
  }, [id]);
  const subscribe = useCallback((listener: () => void) => liveStore.subscribe(`transcript:${id}`, listener), [id]);
  return { segments: useSyncExternalStore(subscribe, () => liveStore.transcript(id)), loading, error };
}

// One clock for everything that ticks, stopped while nobody looks.
const tickers = new Set<() => void>();
let ticking = 0;
let tick = Math.floor(Date.now() / 1000);
function onTick(listener: () => void): () => void {
  tickers.add(listener);
  if (ticking === 0) {
    ticking = window.setInterval(() => {
      tick = Math.floor(Date.now() / 1000);
      for (const each of tickers) each();
    }, 1000);
  }
  return () => {
    tickers.delete(listener);
    if (tickers.size === 0) {
      window.clearInterval(ticking);
      ticking = 0;
    }
  };
}

/** The server's time in epoch ms, once a second. */
export function useNow(): number {
  const seconds = useSyncExternalStore(onTick, () => tick);
  return seconds * 1000 + liveStore.connection().clockOffsetMs;
}

/** How long a call has lasted, ticking, in ms. */
export function useCallDuration(call: { startedAt: string; endedAt: string | null }): number {
  const now = useNow();
  return Math.max(0, (call.endedAt === null ? now : Date.parse(call.endedAt)) - Date.parse(call.startedAt));
}

/** Listening: one call at a time; silent until somebody asks for it, and the server writes each start to the audit log. */
export interface Listening {
  callId: string | null;
  /** The server has confirmed and audio flows. */
  on: boolean;
  problem: string;
  volumes: { agent: number; caller: number };
}
let listening: Listening = { callId: null, on: false, problem: "", volumes: { agent: 1, caller: 1 } };
const listenListeners = new Set<() => void>();
const player = new AudioPlayer();

function setListening(next: Partial<Listening>): void {
  listening = { ...listening, ...next };
  for (const listener of listenListeners) listener();
}
function onListening(listener: () => void): () => void {
  listenListeners.add(listener);
  return () => listenListeners.delete(listener);
}
export const useListening = (): Listening => useSyncExternalStore(onListening, () => listening);

export function listenTo(callId: string | null): void {
  if (listening.callId !== null) socket.send({ type: "listen", callId: listening.callId, on: false });
  player.stop();
  setListening({ callId, on: false, problem: "" });
  if (callId === null) return;
  player.start();
  for (const side of ["agent", "caller"] as const) player.setVolume(side, listening.volumes[side]);
  if (!socket.send({ type: "listen", callId, on: true }))
    setListening({ problem: "There is no live connection; listening starts when it is back." });
}

export function setListenVolume(side: "agent" | "caller", volume: number): void {
  player.setVolume(side, volume);
  setListening({ volumes: { ...listening.volumes, [side]: volume } });
}

socket.onAudio = (chunk) => {
  if (chunk.callId !== listening.callId) return;
  if (!listening.on) setListening({ on: true, problem: "" });
  player.play(chunk);
};
socket.onListening = (callId, on) => {
  if (callId !== listening.callId) return;
  if (on) setListening({ on: true, problem: "" });
  else if (listening.on) listenTo(null);
};
socket.onProblem = (message, remedy) => {
  if (listening.callId !== null && !listening.on) setListening({ problem: `${message} ${remedy}`.trim() });
};
liveStore.subscribe("calls", () => {
  if (listening.callId !== null && liveStore.call(listening.callId)?.ended) listenTo(null);
});
liveStore.subscribe("connection", () => {
  const { state } = liveStore.connection();
  if (listening.callId === null) return;
  if (state === "lost" && listening.on) setListening({ on: false, problem: "The connection is lost; listening goes on when it is back." });
  if (state === "open" && !listening.on && listening.problem !== "") socket.send({ type: "listen", callId: listening.callId, on: true });
});
