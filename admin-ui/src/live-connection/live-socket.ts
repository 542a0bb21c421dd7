/** One WebSocket to `/api/v1/live`: resumes where it was, says when it is lost, comes back with growing pauses. */
import type { ClientMessage, ServerMessage } from "@earshot/proto/api/live.ts";
import { type AudioChunk, readAudioMessage } from "./audio-message.ts";
import type { LiveStore } from "./live-store.ts";

/** What the socket stands on, so that a test can give another. */
export interface SocketSurroundings {
  open(): WebSocket;
  now(): number;
  later(run: () => void, ms: number): number;
  cancel(timer: number): void;
  random(): number;
}

const firstPauseMs = 500;
const longestPauseMs = 15_000;
/** A connection on which nothing was heard this long is taken for dead: proxies drop idle sockets without a word. */
const silenceMs = 30_000;
const pingMs = 10_000;

export class LiveSocket {
  onAudio: (chunk: AudioChunk) => void = () => {};
  onListening: (callId: string, on: boolean) => void = () => {};
  onProblem: (message: string, remedy: string) => void = () => {};
  private socket: WebSocket | null = null;
  private timer = 0;
  private pings = 0;
  private attempts = 0;
  private lastHeard = 0;
  private stopped = true;
  private readonly store: LiveStore;
  private readonly around: SocketSurroundings;

  constructor(store: LiveStore, around: SocketSurroundings) {
    this.store = store;
    this.around = around;
  }

  start(): void {
    if (!this.stopped) return;
    this.stopped = false;
    this.connect();
  }

  stop(): void {
    this.stopped = true;
    this.around.cancel(this.timer);
    this.around.cancel(this.pings);
    this.socket?.close();
    this.socket = null;
  }

  /** Tries at once, for a person who does not want to wait for the pause to end. */
  retryNow(): void {
    if (this.stopped || this.socket !== null) return;
    this.around.cancel(this.timer);
    this.attempts = 0;
    this.connect();
  }

  /** Answers false when there is no connection to send on. */
  send(message: ClientMessage): boolean {
    if (this.socket === null || this.socket.readyState !== 1) return false;
    this.socket.send(JSON.stringify(message));
    return true;
  }

  private connect(): void {
    const socket = this.around.open();
    this.socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      this.lastHeard = this.around.now();
      if (this.store.cursor !== null) this.send({ type: "resume", cursor: this.store.cursor });
      this.store.setConnection({ state: "open", lostSince: null });
      this.keepAlive(socket);
    };
    socket.onmessage = (event: MessageEvent<string | ArrayBuffer>) => {
      this.lastHeard = this.around.now();
      this.attempts = 0;
      if (typeof event.data === "string") this.receive(event.data);
      else {
        const chunk = readAudioMessage(event.data);
        if (chunk !== null) this.onAudio(chunk);
      }
    };
    socket.onclose = () => this.lost(socket);
  }

  private receive(text: string): void {
    const message = JSON.parse(text) as ServerMessage;
    if (message.type === "listening") this.onListening(message.callId, message.on);
    else if (message.type === "error") {
      // A snapshot has come with it, from which we go on: nothing for a person to do.
      if (message.code !== "cursor_refused") this.onProblem(message.message, message.remedy);
    } else if (message.type !== "pong") this.store.apply(message, this.around.now());
  }

  private keepAlive(socket: WebSocket): void {
    this.around.cancel(this.pings);
    this.pings = this.around.later(() => {
      if (this.socket !== socket) return;
      if (this.around.now() - this.lastHeard > silenceMs) {
        socket.close();
        this.lost(socket);
        return;
      }
      this.send({ type: "ping" });
      this.keepAlive(socket);
    }, pingMs);
  }

  private lost(socket: WebSocket): void {
    if (this.socket !== socket || this.stopped) return;
    this.socket = null;
    this.around.cancel(this.pings);
    const { lostSince } = this.store.connection();
    this.store.setConnection({ state: "lost", lostSince: lostSince ?? this.around.now() });
    // Full jitter on the upper half: a thousand pages must not come back in the same moment.
    const pause = Math.min(longestPauseMs, firstPauseMs * 2 ** this.attempts) * (0.5 + this.around.random() / 2);
    this.attempts += 1;
    this.timer = this.around.later(() => this.connect(), pause);
  }
}
