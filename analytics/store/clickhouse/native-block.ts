/** Writes ClickHouse's Native format: columns as bytes, so that no text of anybody's is ever parsed as SQL, and the engine copies whole columns. */

/** A table as the binary insert sees it. */
export type InsertTarget = { readonly name: string; readonly columns: string; readonly structure: string };

/** Bytes that grow. */
export class GrowingBytes {
  #buffer: Buffer;
  #length = 0;

  constructor(initialBytes = 1024) {
    this.#buffer = Buffer.allocUnsafe(initialBytes);
  }

  get byteLength(): number {
    return this.#length;
  }

  /** A view of what was written; valid until `reset` or the next write. */
  bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  reset(): void {
    this.#length = 0;
  }

  u8(value: number): void {
    this.#room(1);
    this.#buffer[this.#length++] = clamp(value, 0xff);
  }

  u16(value: number): void {
    this.#room(2);
    const kept = clamp(value, 0xffff);
    const buffer = this.#buffer;
    const at = this.#length;
    buffer[at] = kept;
    buffer[at + 1] = kept >>> 8;
    this.#length = at + 2;
  }

  u32(value: number): void {
    this.#room(4);
    this.#word(clamp(value, 0xffffffff));
  }

  /** UInt64, Int64 and DateTime64(3) of a safe integer. */
  i64(value: number): void {
    this.#room(8);
    const whole = Number.isFinite(value) ? Math.trunc(value) : 0;
    const high = Math.floor(whole / 0x1_0000_0000);
    this.#word(whole - high * 0x1_0000_0000);
    this.#word(Math.max(-0x8000_0000, Math.min(0x7fff_ffff, high)));
  }

  f32(value: number): void {
    this.#room(4);
    float[0] = Number.isFinite(value) ? value : 0;
    this.#word(floatBits[0]!);
  }

  /** The lower 32 bits, the lowest first. */
  #word(value: number): void {
    const buffer = this.#buffer;
    const at = this.#length;
    const bits = value | 0;
    buffer[at] = bits;
    buffer[at + 1] = bits >>> 8;
    buffer[at + 2] = bits >>> 16;
    buffer[at + 3] = bits >>> 24;
    this.#length = at + 4;
  }

  varint(value: number): void {
    this.#room(5);
    let rest = value;
    while (rest > 0x7f) {
      this.#buffer[this.#length++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.#buffer[this.#length++] = rest;
  }

  utf8(value: string): void {
    const byteLength = Buffer.byteLength(value);
    this.#room(byteLength);
    this.#length += this.#buffer.write(value, this.#length, byteLength, "utf8");
  }

  string(value: string): void {
    const characters = value.length;
    // Short ASCII, most of what a call record holds, is copied here; everything else goes through the encoder.
    if (characters < 64) {
      this.#room(characters + 1);
      const buffer = this.#buffer;
      const start = this.#length;
      let at = start + 1;
      let index = 0;
      for (; index < characters; index++) {
        const code = value.charCodeAt(index);
        if (code > 0x7f) break;
        buffer[at++] = code;
      }
      if (index === characters) {
        buffer[start] = characters;
        this.#length = at;
        return;
      }
    }
    this.varint(Buffer.byteLength(value));
    this.utf8(value);
  }

  /** @param byteLength of the value's first bytes, where it is longer */
  blob(value: Uint8Array, byteLength: number = value.byteLength): void {
    this.varint(byteLength);
    this.#room(byteLength);
    // Buffer's own copy: of a few hundred bytes a view alone would cost as much.
    Buffer.prototype.copy.call(value, this.#buffer, this.#length, 0, byteLength);
    this.#length += byteLength;
  }

  #room(bytes: number): void {
    if (this.#length + bytes <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#length + bytes));
    this.#buffer.copy(larger, 0, 0, this.#length);
    this.#buffer = larger;
  }
}

const float = new Float32Array(1);
const floatBits = new Uint32Array(float.buffer);

function clamp(value: number, max: number): number {
  return value >= max ? max : value > 0 ? Math.trunc(value) : 0;
}

type Column = {
  readonly name: string;
  readonly type: string;
  readonly values: GrowingBytes;
  /** Which values are null, or where each array ends. */
  readonly before: GrowingBytes | undefined;
  /** Of arrays: elements so far. */
  elements: number;
};

/**
 * Rows of one table, each written as its values in the order of the target's columns; an array as its length and then its elements.
 * https://clickhouse.com/docs/interfaces/formats/Native
 */
export class NativeBlock {
  readonly #columns: readonly Column[];
  #at = 0;
  #arrayOf: GrowingBytes | undefined;
  #arrayLeft = 0;
  rows = 0;

  constructor(target: InsertTarget) {
    this.#columns = columnsOf(target.structure).map(({ name, type }) => ({
      name,
      type,
      values: new GrowingBytes(),
      before: /^(Nullable|Array)\(/.test(type) ? new GrowingBytes() : undefined,
      elements: 0,
    }));
  }

  get byteLength(): number {
    return this.#columns.reduce((sum, { values, before }) => sum + values.byteLength + (before?.byteLength ?? 0), 0);
  }

  /** The block's pieces, in order; valid until `reset` or the next write. */
  pieces(): Buffer[] {
    const head = new GrowingBytes();
    const pieces: Buffer[] = [];
    head.varint(this.#columns.length);
    head.varint(this.rows);
    let from = 0;
    for (const { name, type, values, before } of this.#columns) {
      head.string(name);
      head.string(type);
      // A copy: the buffer of the heads may grow while it is filled.
      pieces.push(Buffer.from(head.bytes().subarray(from)));
      from = head.byteLength;
      if (before !== undefined) pieces.push(before.bytes());
      pieces.push(values.bytes());
    }
    return pieces;
  }

  reset(): void {
    for (const column of this.#columns) {
      column.values.reset();
      column.before?.reset();
      column.elements = 0;
    }
    this.#at = 0;
    this.#arrayLeft = 0;
    this.rows = 0;
  }

  u8(value: number): void {
    this.#next().u8(value);
  }

  u16(value: number): void {
    this.#next().u16(value);
  }

  u32(value: number): void {
    this.#next().u32(value);
  }

  /** UInt64, Int64 and DateTime64(3) of a safe integer. */
  i64(value: number): void {
    this.#next().i64(value);
  }

  f32(value: number): void {
    this.#next().f32(value);
  }

  nullableF32(value: number | null): void {
    const known = value !== null && Number.isFinite(value);
    this.#columns[this.#at]!.before!.u8(known ? 0 : 1);
    this.#next().f32(known ? value : 0);
  }

  nullableU32(value: number | null): void {
    this.#columns[this.#at]!.before!.u8(value === null ? 1 : 0);
    this.#next().u32(value ?? 0);
  }

  string(value: string): void {
    this.#next().string(value);
  }

  blob(value: Uint8Array, byteLength?: number): void {
    this.#next().blob(value, byteLength);
  }

  /** As many elements follow. */
  length(value: number): void {
    const column = this.#columns[this.#at]!;
    this.#arrayOf = this.#next();
    column.elements += value;
    column.before!.i64(column.elements);
    this.#arrayLeft = value;
  }

  #next(): GrowingBytes {
    if (this.#arrayLeft > 0) {
      this.#arrayLeft--;
      return this.#arrayOf!;
    }
    const column = this.#columns[this.#at]!;
    this.#at = this.#at + 1 === this.#columns.length ? 0 : this.#at + 1;
    return column.values;
  }
}

/** `name Type, name Type`: commas within brackets belong to the type. */
export function columnsOf(structure: string): { name: string; type: string }[] {
  return structure.split(/,\s*(?![^()]*\))/).map((column) => {
    const [name = "", ...type] = column.trim().split(" ");
    return { name, type: type.join(" ") };
  });
}
