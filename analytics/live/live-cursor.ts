/**
 * Where a live socket is to resume: the log's own positions, sealed for one tenant, so that any API process over the same log reads the
 * cursor that another wrote.
 */
import { createHash } from "node:crypto";
import { createSealedBox, type SealedBox } from "@earshot/platform/secrets/sealed-box.ts";
import { EarshotError } from "@earshot/proto/errors.ts";
import type { Positions } from "./read-positions.ts";

export class LiveCursors {
  readonly #box: SealedBox;

  /** @param secret the same in every API process; "" seals too, under a key that whoever reads this file knows */
  constructor(secret: string) {
    this.#box = createSealedBox(createHash("sha256").update(`earshot live cursor\0${secret}`).digest());
  }

  /** @returns base64url, about 150 characters with four partitions a topic */
  write(tenant: string, positions: Positions): string {
    const bytes: number[] = [];
    for (const partitions of positions) {
      putVarint(bytes, partitions.length);
      for (const offset of partitions) putVarint(bytes, offset ?? 0);
    }
    return Buffer.from(this.#box.seal(Uint8Array.from(bytes), tenant)).toString("base64url");
  }

  /** @throws EarshotError invalid_request `cursor_refused`: changed, of another tenant, of another installation or version */
  read(tenant: string, cursor: string): Positions {
    try {
      const bytes = this.#box.open(Buffer.from(cursor, "base64url"), tenant);
      const positions: number[][] = [];
      for (let at = 0; at < bytes.length; ) {
        let partitions: number;
        [partitions, at] = takeVarint(bytes, at);
        const offsets: number[] = [];
        for (; partitions > 0; partitions--) {
          let offset: number;
          [offset, at] = takeVarint(bytes, at);
          offsets.push(offset);
        }
        positions.push(offsets);
      }
      return positions;
    } catch (cause) {
      throw new EarshotError("invalid_request", "cursor_refused", "The cursor was not written for this tenant by this installation.", {
        remedy: "Send the last cursor as it came. A snapshot follows, from which you can go on.",
        cause,
      });
    }
  }
}

/** Seven bits a byte, low ones first; offsets go up to 2^53, past what shifts can do. */
function putVarint(bytes: number[], value: number): void {
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  bytes.push(rest);
}

function takeVarint(bytes: Uint8Array, at: number): [value: number, next: number] {
  let value = 0;
  let next = at;
  for (let scale = 1; ; scale *= 128) {
    const byte = bytes[next++];
    if (byte === undefined || scale > 2 ** 53) throw new RangeError("a number is cut off");
    value += (byte & 127) * scale;
    if (byte < 128) return [value, next];
  }
}
