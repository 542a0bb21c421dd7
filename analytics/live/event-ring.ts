/** The recent events of one tenant with their places on the log, so that a client that lost its connection gets what it missed. */
import { type EventPlace, isBehind, isUnread, type Place, type Positions, sameShape } from "./read-positions.ts";

/** One event as JSON. */
export type PlacedEvent = { readonly json: string; readonly place: EventPlace };

export class EventRing {
  readonly #maxBytes: number;
  /** Everything from here on is in the ring, or was replaced by something later that is. */
  readonly #from: number[][];
  #batches: { readonly events: readonly PlacedEvent[]; readonly bytes: number }[] = [];
  #bytes = 0;

  /** @param from where telling began: what is before it was never an event here */
  constructor(from: Positions, maxBytes: number) {
    this.#from = from.map((partitions) => [...partitions]);
    this.#maxBytes = maxBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The oldest batches go when there are too many bytes; the newest stays, whatever its size. */
  add(events: readonly PlacedEvent[], bytes: number): void {
    this.#batches.push({ events, bytes });
    this.#bytes += bytes;
    let dropped = 0;
    while (this.#bytes > this.#maxBytes && dropped < this.#batches.length - 1) this.#bytes -= this.#batches[dropped++]!.bytes;
    for (const batch of this.#batches.splice(0, dropped)) for (const { place } of batch.events) this.#forget(place.event);
  }

  /**
   * What a reader that stands at `seen` has yet to be told, in order.
   * @returns undefined where not all of it is known any more, or the positions are of other topics or partitions
   */
  since(seen: Positions): string[] | undefined {
    if (!sameShape(seen, this.#from) || isBehind(seen, this.#from)) return undefined;
    const missed: string[] = [];
    for (const { events } of this.#batches)
      for (const { json, place } of events) if (isUnread(seen, place.event) || isUnread(seen, place.start)) missed.push(json);
    return missed;
  }

  #forget({ topic, partition, offset }: Place): void {
    const partitions = this.#from[topic];
    if (partitions?.[partition] !== undefined) partitions[partition] = Math.max(partitions[partition], offset + 1);
  }
}
