/**
 * Audio of a live call in the object store, part by part, so that another worker can make the whole recording: `checkpoints/<call>/<run>-<n>.pcm`.
 * A part is one object with stretches of several tracks: their number (uint32), for each a head of 16 bytes (leg uint32, rate uint32, first
 * sample and samples as uint32, all little-endian), then their samples in the same order.
 */
import type { ObjectStore } from "@earshot/platform/object-store/port.ts";
import { EarshotError } from "@earshot/proto/errors.ts";
import type { CallId, TenantId } from "@earshot/proto/ids.ts";

export type Stretch = { readonly leg: number; readonly sampleRate: number; readonly from: number; readonly to: number };
export type StretchAudio = Stretch & { readonly pcm: Int16Array };

const headBytes = 16;

/** @param fill copies the samples of a stretch to its place in the part */
export async function encodePart(
  stretches: readonly Stretch[],
  fill: (stretch: Stretch, target: Uint8Array) => Promise<void>,
): Promise<Uint8Array> {
  const samples = stretches.reduce((sum, { from, to }) => sum + to - from, 0);
  const bytes = new Uint8Array(4 + stretches.length * headBytes + samples * 2);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, stretches.length, true);
  let audio = 4 + stretches.length * headBytes;
  for (const [i, stretch] of stretches.entries()) {
    const { leg, sampleRate, from, to } = stretch;
    for (const [field, value] of [leg, sampleRate, from, to - from].entries()) view.setUint32(4 + i * headBytes + field * 4, value, true);
    const length = (to - from) * 2;
    await fill(stretch, bytes.subarray(audio, audio + length));
    audio += length;
  }
  return bytes;
}

/** @throws EarshotError corrupt */
export function decodePart(bytes: Uint8Array): StretchAudio[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const field = (at: number): number => {
    if (at + 4 > bytes.length) throw new EarshotError("corrupt", "audio_part_cut_off", "A part of a call's audio is cut off.");
    return view.getUint32(at, true);
  };
  const count = field(0);
  const found: StretchAudio[] = [];
  let audio = 4 + count * headBytes;
  for (let head = 4; found.length < count; head += headBytes) {
    const samples = field(head + 12);
    if (audio + samples * 2 > bytes.length)
      throw new EarshotError("corrupt", "audio_part_cut_off", "A part of a call's audio is cut off.", { details: { samples } });
    const from = field(head + 8);
    const pcm = new Int16Array(bytes.slice(audio, audio + samples * 2).buffer);
    found.push({ leg: field(head), sampleRate: field(head + 4), from, to: from + samples, pcm });
    audio += samples * 2;
  }
  return found;
}

export class AudioParts {
  readonly #store: ObjectStore;
  readonly #tenant: TenantId;
  readonly #folder: string;
  readonly #run: number;
  #next = 0;

  /** @param run counts the workers that had the call, so that no two ever write the same part */
  constructor(store: ObjectStore, tenant: TenantId, call: CallId, run: number) {
    this.#store = store;
    this.#tenant = tenant;
    this.#folder = `checkpoints/${call}/`;
    this.#run = run;
  }

  async put(bytes: Uint8Array): Promise<void> {
    await this.#store.put(this.#tenant, `${this.#folder}${this.#run}-${String(this.#next).padStart(6, "0")}.pcm`, bytes);
    this.#next++;
  }

  /** Every part that any worker stored. */
  async *all(): AsyncGenerator<StretchAudio[]> {
    for (const name of await this.#names()) {
      const pieces: Uint8Array[] = [];
      for await (const piece of await this.#store.get(this.#tenant, name)) pieces.push(piece);
      yield decodePart(new Uint8Array(Buffer.concat(pieces)));
    }
  }

  async delete(): Promise<void> {
    if (this.#run === 0 && this.#next === 0) return;
    for (const name of await this.#names()) await this.#store.delete(this.#tenant, name);
  }

  async #names(): Promise<string[]> {
    const names: string[] = [];
    for await (const { key } of this.#store.list(this.#tenant, this.#folder)) names.push(key.slice(key.indexOf(this.#folder)));
    return names.sort();
  }
}
