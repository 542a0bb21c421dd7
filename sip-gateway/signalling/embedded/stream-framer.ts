/** Cuts SIP messages out of a TCP or TLS stream (RFC 3261 18.3, keep-alives of RFC 5626 3.5.1). */
import { findBody } from "../raw-message.ts";

export type Framed =
  | { readonly kind: "message"; readonly bytes: Uint8Array }
  /** Double CRLFs, `count` of them one after the other: answer with one CRLF in all. */
  | { readonly kind: "ping"; readonly count: number }
  /** The stream cannot be read further: answer `head` (what there is of the message) with `status`, then close. */
  | { readonly kind: "broken"; readonly status: 400 | 513; readonly reason: string; readonly head: Uint8Array };

const empty = new Uint8Array(0);
const contentLength = /^(?:content-length|l)[ \t]*:[ \t]*(\d{1,9})[ \t]*\r?$/im;

export class StreamFramer {
  #pending: Buffer = Buffer.alloc(0);
  #scannedTo = 0;
  #broken = false;
  readonly #maxMessageBytes: number;

  constructor(maxMessageBytes: number) {
    this.#maxMessageBytes = maxMessageBytes;
  }

  /** Takes what arrived; returns what became whole, in order; at most one ping, the last. After `broken` everything is ignored. */
  push(chunk: Buffer): Framed[] {
    const framed: Framed[] = [];
    if (this.#broken) return framed;
    this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    let pings = 0;
    for (;;) {
      pings += this.#skipBlankLines();
      const next = this.#next();
      if (next === undefined) {
        if (pings > 0) framed.push({ kind: "ping", count: pings });
        return framed;
      }
      framed.push(next);
      if (next.kind === "broken") {
        this.#broken = true;
        this.#pending = Buffer.alloc(0);
        return framed;
      }
    }
  }

  /** @returns double CRLFs among them */
  #skipBlankLines(): number {
    let at = 0;
    let pings = 0;
    while (this.#pending[at] === 13 && this.#pending[at + 1] === 10) {
      if (this.#pending[at + 2] === 13 && this.#pending[at + 3] === 10) {
        pings++;
        at += 4;
      } else if (at + 2 >= this.#pending.length || (this.#pending[at + 2] === 13 && at + 3 >= this.#pending.length)) break;
      else at += 2;
    }
    if (at > 0) {
      this.#pending = this.#pending.subarray(at);
      this.#scannedTo = 0;
    }
    return pings;
  }

  #next(): Framed | undefined {
    const bytes = this.#pending;
    if (bytes.length === 0 || (bytes[0] === 13 && bytes.length < 4)) return undefined;
    const split = findBody(bytes, Math.max(0, this.#scannedTo - 3));
    if (split === undefined) {
      this.#scannedTo = bytes.length;
      if (bytes.length > this.#maxMessageBytes) return { kind: "broken", status: 513, reason: "Message Too Large", head: bytes };
      return undefined;
    }
    const head = bytes.toString("latin1", 0, split.headEnd);
    const length = contentLength.exec(head)?.[1];
    if (length === undefined)
      return { kind: "broken", status: 400, reason: "Content-Length Required", head: bytes.subarray(0, split.bodyStart) };
    const end = split.bodyStart + Number(length);
    if (end > this.#maxMessageBytes)
      return { kind: "broken", status: 513, reason: "Message Too Large", head: bytes.subarray(0, split.bodyStart) };
    if (bytes.length < end) return undefined;
    this.#pending = bytes.length === end ? Buffer.from(empty) : bytes.subarray(end);
    this.#scannedTo = 0;
    return { kind: "message", bytes: bytes.subarray(0, end) };
  }
}
