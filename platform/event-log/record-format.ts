/**
 * How records lie on disk, and byte for byte the same in memory: batches of records, one checksum per batch.
 *
 *     batch:  u32 magic | u32 bytes (header included) | u32 crc32 of all that follows | f64 base offset | u32 record count | records
 *     record: u32 value bytes | u16 key bytes | f64 appended at (Unix ms) | key (UTF-8) | value
 *
 * Little-endian. The checksum is per batch because a native call per record costs more than the checksum itself.
 */
import { crc32 } from "node:zlib";

export const batchMagic = 0x31_4c_53_45;
export const batchHeaderBytes = 24;
export const recordHeaderBytes = 14;
export const maxKeyBytes = 1024;

/** Writes the header of the batch `[start, end)`, whose records stand already. */
export function sealBatch(bytes: Buffer, view: DataView, start: number, end: number, baseOffset: number, count: number): void {
  view.setUint32(start, batchMagic, true);
  view.setUint32(start + 4, end - start, true);
  view.setFloat64(start + 12, baseOffset, true);
  view.setUint32(start + 20, count, true);
  view.setUint32(start + 8, crc32(bytes.subarray(start + 12, end)), true);
}

export type BatchHeader = { readonly bytes: number; readonly baseOffset: number; readonly count: number };
export type BatchCheck = { state: "whole"; header: BatchHeader } | { state: "incomplete"; needs: number } | { state: "corrupt" };

/**
 * Looks at what should be a batch at `start`.
 * @param end how far the bytes reach; a batch that goes on beyond is `incomplete` and `needs` that many bytes
 * @param maxBatchBytes a length over it is corrupt
 */
export function checkBatch(bytes: Buffer, start: number, end: number, maxBatchBytes: number): BatchCheck {
  if (end - start < batchHeaderBytes) return { state: "incomplete", needs: batchHeaderBytes };
  if (bytes.readUInt32LE(start) !== batchMagic) return { state: "corrupt" };
  const length = bytes.readUInt32LE(start + 4);
  const count = bytes.readUInt32LE(start + 20);
  if (length < batchHeaderBytes + count * recordHeaderBytes || length > maxBatchBytes || count === 0) return { state: "corrupt" };
  if (length > end - start) return { state: "incomplete", needs: length };
  if (crc32(bytes.subarray(start + 12, start + length)) !== bytes.readUInt32LE(start + 8)) return { state: "corrupt" };
  return { state: "whole", header: { bytes: length, baseOffset: bytes.readDoubleLE(start + 12), count } };
}

const magicBytes = Buffer.from([batchMagic & 0xff, (batchMagic >> 8) & 0xff, (batchMagic >> 16) & 0xff, (batchMagic >> 24) & 0xff]);

/** The next place at or after `from` where a batch could begin; -1 where there is none. */
export function findBatch(bytes: Buffer, from: number, end: number): number {
  const at = bytes.subarray(0, end).indexOf(magicBytes, from);
  return at;
}
