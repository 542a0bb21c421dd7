/** The timers SIP.js leaves out on unreliable transports (RFC 3261 17): G for final answers, A and E for our own requests. */
import type { Clock } from "@earshot/platform/clock/clock.ts";
import { Timers } from "sip.js/lib/core/index.js";

/**
 * Sends again after T1, 2*T1, 4*T1 ..., at most every T2 where `capped`, until `unfinished` says no or 64*T1 have passed.
 * @param capped Timer E and G double up to T2; Timer A doubles without a cap
 */
export function retransmit(clock: Clock, capped: boolean, unfinished: () => boolean, send: () => void): void {
  let wait = Timers.T1;
  let waited = 0;
  const again = () => {
    if (!unfinished()) return;
    send();
    waited += wait;
    wait = capped ? Math.min(wait * 2, Timers.T2) : wait * 2;
    if (waited < 64 * Timers.T1) clock.after(wait, again);
  };
  clock.after(wait, again);
}

/**
 * SIP.js is written for WebSocket and sets the timers that absorb retransmissions to zero; over UDP they must wait
 * (I and K: T4, D and J: 64*T1). Its timer table is one per process.
 */
export function setTimersForUnreliableTransport(): void {
  Timers.TIMER_D = 64 * Timers.T1;
  Timers.TIMER_I = Timers.T4;
  Timers.TIMER_J = 64 * Timers.T1;
  Timers.TIMER_K = Timers.T4;
}
