/** Writes ClickHouse's Native format: columns as bytes, so that no text of anybody's is ever parsed as SQL, and the engine copies whole columns. */
import type { InsertTarget } from "./connection.ts";

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
    this.#buffer.writeUInt16LE(clamp(value, 0xffff), this.#length);
    this.#length += 2;
  }

  u32(value: number): void {
    this.#room(4);
    this.#buffer.writeUInt32LE(clamp(value, 0xffffffff), this.#length);
    this.#length += 4;
  }

  /** UInt64, Int64 and DateTime64(3) of a safe integer. */
  i64(value: number): void {
    this.#room(8);
    const whole = Number.isFinite(value) ? Math.trunc(value) : 0;
    const high = Math.floor(whole / 0x1_0000_0000);
    this.#buffer.writeUInt32LE(whole - high * 0x1_0000_0000, this.#length);
    this.#buffer.writeInt32LE(Math.max(-0x8000_0000, Math.min(0x7fff_ffff, high)), this.#length + 4);
    this.#length += 8;
  }

  f32(value: number): void {
    this.#room(4);
    this.#buffer.writeFloatLE(Number.isFinite(value) ? value : 0, this.#length);
    this.#length += 4;
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

  /** Characters of U+0000 to U+007F, as they are. */
  ascii(value: string): void {
    const characters = value.length;
    this.#room(characters);
    const buffer = this.#buffer;
    let at = this.#length;
    for (let index = 0; index < characters; index++) buffer[at++] = value.charCodeAt(index);
    this.#length = at;
  }

  /** A safe integer, not negative, as text. */
  digits(value: number): void {
    let count = 1;
    for (let rest = value; rest >= 10; rest = Math.floor(rest / 10)) count++;
    this.#room(count);
    let at = this.#length + count;
    this.#length = at;
    let rest = value;
    // Above 2^31 by division of doubles, below by that of integers.
    for (; rest > 0x7fff_ffff; count--) {
      const tenth = Math.floor(rest / 10);
      this.#buffer[--at] = 0x30 + (rest - tenth * 10);
      rest = tenth;
    }
    let small = rest | 0;
    for (; count > 0; count--) {
      const tenth = (small / 10) | 0;
      this.#buffer[--at] = 0x30 + (small - tenth * 10);
      small = tenth;
    }
  }

  /** The text in quotes, where JSON escapes nothing of it; otherwise nothing is written. */
  plainText(value: string): boolean {
    const characters = value.length;
    this.#room(characters + 2);
    const buffer = this.#buffer;
    let at = this.#length;
    buffer[at++] = 0x22;
    for (let index = 0; index < characters; index++) {
      const code = value.charCodeAt(index);
      if (code < 0x20 || code > 0x7e || code === 0x22 || code === 0x5c) return false;
      buffer[at++] = code;
    }
    buffer[at++] = 0x22;
    this.#length = at;
    return true;
  }

  utf8(value: string): void {
    const byteLength = Buffer.byteLength(value);
    this.#room(byteLength);
    this.#length += this.#buffer.write(value, this.#length, byteLength, "utf8");
  }

  /** Room for a length that is known when what follows is written. */
  openLength(): number {
    this.#room(lengthBytes);
    this.#length += lengthBytes;
    return this.#length;
  }

  /** @param from what `openLength` returned. A varint may be longer than it need be. */
  closeLength(from: number): void {
    let rest = this.#length - from;
    for (let at = from - lengthBytes; at < from; at++) {
      this.#buffer[at] = (rest & 0x7f) | (at < from - 1 ? 0x80 : 0);
      rest >>>= 7;
    }
  }

  string(value: string): void {
    const characters = value.length;
    // Short ASCII, most of what a call record holds, is copied here; everything else goes through the encoder.
    if (characters < 32) {
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

  blob(value: Uint8Array): void {
    this.varint(value.byteLength);
    this.#room(value.byteLength);
    this.#buffer.set(value, this.#length);
    this.#length += value.byteLength;
  }

  #room(bytes: number): void {
    if (this.#length + bytes <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#length + bytes));
    this.#buffer.copy(larger, 0, 0, this.#length);
    this.#buffer = larger;
  }
}

/** 28 bits: a text of 256 MiB. */
const lengthBytes = 4;

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
  #textFrom = 0;
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

  blob(value: Uint8Array): void {
    this.#next().blob(value);
  }

  /** As many elements follow. */
  length(value: number): void {
    const column = this.#columns[this.#at]!;
    this.#arrayOf = this.#next();
    column.elements += value;
    column.before!.i64(column.elements);
    this.#arrayLeft = value;
  }

  /** A text that is written piece by piece into what is returned, until `closeText`. */
  openText(): GrowingBytes {
    const values = this.#columns[this.#at]!.values;
    this.#textFrom = values.openLength();
    return values;
  }

  closeText(): void {
    this.#next().closeLength(this.#textFrom);
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
