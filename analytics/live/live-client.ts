/** One live socket: who it is, how far behind it is, and what it may do. */

import type { Duplex } from "node:stream";
import type { SettingsOf } from "@earshot/platform/config/settings.ts";
import type { ServerMessage } from "@earshot/proto/api/live.ts";
import type { WebSocket } from "ws";
import type { Identity } from "../access/identity.ts";
import type { Ear } from "./listening.ts";
import type { liveSettings } from "./settings.ts";
import { textFrame } from "./text-frame.ts";

export class LiveClient {
  readonly identity: Identity;
  readonly #socket: WebSocket;
  /** Gets batches: it has had its snapshot, or what it missed. */
  streaming = false;
  /** Monotonic; set while the client is too far behind. */
  slowSinceMs: number | undefined;
  droppedEvents = 0;
  /** Answered the last ping. */
  alive = true;
  /** By call. */
  readonly listening = new Map<string, Ear>();
  #allowance: number;
  #allowanceAtMs: number;
  readonly #perSecond: number;
  readonly #hardBytes: number;

  readonly #wire: Duplex;

  /** @param wire what the socket stands on: frames that are ready go there directly, whole, so that they never mix with the socket's own */
  constructor(
    identity: Identity,
    socket: WebSocket,
    wire: Duplex,
    settings: Pick<SettingsOf<typeof liveSettings>, "clientMessagesPerSecond" | "hardBytes">,
    nowMs: number,
  ) {
    this.identity = identity;
    this.#socket = socket;
    this.#wire = wire;
    this.#perSecond = settings.clientMessagesPerSecond;
    this.#allowance = settings.clientMessagesPerSecond;
    this.#hardBytes = settings.hardBytes;
    this.#allowanceAtMs = nowMs;
  }

  get unsentBytes(): number {
    return this.#socket.bufferedAmount;
  }

  /** @param frame from text-frame.ts; shared between clients */
  sendFrame(frame: Buffer): void {
    if (this.#socket.readyState !== 1) return;
    // Whatever it is that it does not read: a client that lets it lie is cut off.
    if (this.unsentBytes > this.#hardBytes) this.cutOff();
    else this.#wire.write(frame);
  }

  sendBinary(message: Buffer): void {
    if (this.#socket.readyState === 1) this.#socket.send(message, binaryMessage, ignore);
  }

  say(message: ServerMessage): void {
    this.sendFrame(textFrame(JSON.stringify(message)));
  }

  /** @returns false when it sends more messages than allowed */
  admitMessage(nowMs: number): boolean {
    this.#allowance = Math.min(this.#perSecond, this.#allowance + ((nowMs - this.#allowanceAtMs) / 1000) * this.#perSecond);
    this.#allowanceAtMs = nowMs;
    if (this.#allowance < 1) return false;
    this.#allowance -= 1;
    return true;
  }

  ping(): void {
    this.alive = false;
    if (this.#socket.readyState === 1) this.#socket.ping();
  }

  close(code: number, reason: string): void {
    this.#socket.close(code, reason);
  }

  /** Without waiting for what is unsent. */
  cutOff(): void {
    this.#socket.terminate();
  }
}

const binaryMessage = { binary: true };
// A failed send is followed by `close`; there is nothing else to do about it.
const ignore = (): void => {};
