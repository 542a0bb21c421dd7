/** Writes ClickHouse's RowBinary: rows as bytes, so that no text of anybody's is ever parsed as SQL. */

export class RowBinaryWriter {
  #buffer: Buffer;
  #length = 0;
  rows = 0;

  constructor(initialBytes = 64 * 1024) {
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
    this.rows = 0;
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

  nullableF32(value: number | null): void {
    if (value === null || !Number.isFinite(value)) this.u8(1);
    else {
      this.u8(0);
      this.f32(value);
    }
  }

  nullableU32(value: number | null): void {
    if (value === null) this.u8(1);
    else {
      this.u8(0);
      this.u32(value);
    }
  }

  length(value: number): void {
    this.#room(5);
    let rest = value;
    while (rest > 0x7f) {
      this.#buffer[this.#length++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.#buffer[this.#length++] = rest;
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
    const byteLength = Buffer.byteLength(value);
    this.length(byteLength);
    this.#room(byteLength);
    this.#length += this.#buffer.write(value, this.#length, byteLength, "utf8");
  }

  blob(value: Uint8Array): void {
    this.length(value.byteLength);
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

function clamp(value: number, max: number): number {
  return value >= max ? max : value > 0 ? Math.trunc(value) : 0;
}
