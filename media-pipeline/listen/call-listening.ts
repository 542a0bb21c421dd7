/** Somebody listens in: the call's audio is published while a lease runs. */
import type { Clock } from "@earshot/platform/clock/clock.ts";
import type { Sides } from "../call/sides.ts";
import type { CallContext, Publisher } from "../events/publisher.ts";
import { ListenTap } from "./listen-tap.ts";

export class CallListening {
  readonly #clock: Clock;
  readonly #publisher: Publisher;
  readonly #call: CallContext;
  #tap: ListenTap | undefined;
  /** End of the lease, Unix milliseconds; 0 = nobody ever listened. */
  untilMs = 0;

  constructor(clock: Clock, publisher: Publisher, call: CallContext) {
    this.#clock = clock;
    this.#publisher = publisher;
    this.#call = call;
  }

  /** @param longestMs bounds the lease */
  renew(untilMs: number, longestMs: number): void {
    const now = this.#clock.now();
    this.untilMs = Math.min(untilMs, now + longestMs);
    if (this.untilMs <= now) this.#tap = undefined;
  }

  /** Lets go of the audio held back once the lease has run out. */
  tick(): void {
    if (this.#tap !== undefined && this.#clock.now() >= this.untilMs) this.#tap = undefined;
  }

  /** Takes decoded audio of a leg; `position` in samples of `rate` from the start of the call. */
  audio(sides: Sides, leg: number, pcm: Int16Array, length: number, position: number, rate: number): void {
    if (this.untilMs === 0 || this.#clock.now() >= this.untilMs) return;
    this.#tap ??= new ListenTap(rate > 8000 ? 16000 : 8000, (positionMs, sampleRate, chunk) => this.#emit(positionMs, sampleRate, chunk));
    this.#tap.write(sides.separate ? (sides.caller.includes(leg) ? 1 : 0) : 2, pcm, length, position, rate);
  }

  #emit(positionMs: number, sampleRate: number, pcm: Uint8Array): void {
    const payload = { case: "listenChunk" as const, value: { positionMs, sampleRate, pcm } };
    this.#publisher.emit("listen.v1", this.#call, `${this.#call.callId}-listen-${positionMs}`, this.#clock.now(), payload, true);
  }
}
