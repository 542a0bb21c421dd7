/**
 * Where a live socket is to resume: the log's own positions, sealed for one tenant, so that any API process over the same log reads the
 * cursor that another wrote.
 */
import { createHash } from "node:crypto";
import type { Log } from "@earshot/platform/log/log.ts";
import { createSealedBox, openSealedBox, type SealedBox } from "@earshot/platform/secrets/sealed-box.ts";
import { EarshotError } from "@earshot/proto/errors.ts";
import type { Positions } from "./read-positions.ts";

export type LiveCursorOptions = {
  /** The same in every API process; "" = none. */
  readonly secret: string;
  readonly dataDir: string;
  /** Other API processes may be on the same event log. */
  readonly sharedLog: boolean;
  readonly log: Log;
};

export class LiveCursors {
  readonly #box: SealedBox;

  private constructor(box: SealedBox) {
    this.#box = box;
  }

  /** @param secret the same in every API process; "" is none */
  static withSecret(secret: string): LiveCursors {
    return new LiveCursors(createSealedBox(createHash("sha256").update(`earshot live cursor\0${secret}`).digest()));
  }

  /**
   * As the settings say: without a secret under the key of the data directory, which is made where there is none. Then no other process reads them,
   * and where there may be others that is said in the log.
   * @throws EarshotError corrupt where the key file is no key; what the file system says
   */
  static async open({ secret, dataDir, sharedLog, log }: LiveCursorOptions): Promise<LiveCursors> {
    if (secret !== "") return LiveCursors.withSecret(secret);
    if (sharedLog)
      log.warn(
        {},
        "EARSHOT_LIVE_CURSOR_SECRET is not set: a page that moves to another API process loads its calls anew; set it the same in all of them",
      );
    return new LiveCursors(await openSealedBox(dataDir));
  }

  /** @returns base64url, about 150 characters with four partitions a topic */
  write(tenant: string, positions: Positions): string {
    const bytes: number[] = [];
    for (const partitions of positions) {
      putVarint(bytes, partitions.length);
      for (const offset of partitions) putVarint(bytes, offset ?? 0);
    }
    return Buffer.from(this.#box.seal(Uint8Array.from(bytes), contextOf(tenant))).toString("base64url");
  }

  /** @throws EarshotError invalid_request `cursor_refused`: changed, of another tenant, of another installation or version */
  read(tenant: string, cursor: string): Positions {
    try {
      const bytes = this.#box.open(Buffer.from(cursor, "base64url"), contextOf(tenant));
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

/** A cursor opens as nothing else that the same key may seal. */
const contextOf = (tenant: string): string => `live cursor/${tenant}`;

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
