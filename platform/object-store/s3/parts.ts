/** Cuts a stream into the parts of a multipart upload: all of one size but the last. */
import { EarshotError } from "@earshot/proto/errors.ts";

export type PartLimits = {
  readonly partBytes: number;
  readonly maxBytes: number;
  /** Told of everything, in order. */
  seen(bytes: Uint8Array): void;
};

/** @throws EarshotError invalid_request `object_too_large` as soon as the stream is over the limit */
export async function* partsOf(content: AsyncIterable<Uint8Array> | Uint8Array, limits: PartLimits): AsyncGenerator<Buffer> {
  const { partBytes, maxBytes, seen } = limits;
  let held: Uint8Array[] = [];
  let heldBytes = 0;
  let total = 0;
  for await (const given of content instanceof Uint8Array ? [content] : content) {
    total += given.length;
    if (total > maxBytes)
      throw new EarshotError("invalid_request", "object_too_large", "An object is over the size limit.", {
        remedy: "Raise EARSHOT_OBJECT_STORE_MAX_BYTES, or store less at once.",
        details: { limit: maxBytes },
      });
    seen(given);
    for (let rest = given; rest.length > 0; ) {
      // A copy: whoever gave it may use its buffer again.
      const taken = Buffer.from(rest.subarray(0, partBytes - heldBytes));
      rest = rest.subarray(taken.length);
      held.push(taken);
      heldBytes += taken.length;
      if (heldBytes < partBytes) continue;
      yield Buffer.concat(held, heldBytes);
      held = [];
      heldBytes = 0;
    }
  }
  if (heldBytes > 0) yield Buffer.concat(held, heldBytes);
}
