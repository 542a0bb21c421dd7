/** Reads the RTP packets of a classic pcap file (Ethernet, IPv4, UDP), for tests with the evaluation data beside the repository. */
import { existsSync, readFileSync } from "node:fs";

export const sharedData = new URL("../../../shared/data/", import.meta.url);

export function hasSharedData(path: string): boolean {
  return existsSync(new URL(path, sharedData));
}

export type CapturedDatagram = { readonly atMs: number; readonly payload: Uint8Array };

export function readPcap(path: string): CapturedDatagram[] {
  const file = readFileSync(new URL(path, sharedData));
  if (file.readUInt32LE(0) !== 0xa1b2c3d4) throw new Error(`${path} is not a little-endian pcap file`);
  const datagrams: CapturedDatagram[] = [];
  for (let at = 24; at + 16 <= file.length; ) {
    const length = file.readUInt32LE(at + 8);
    const atMs = file.readUInt32LE(at) * 1000 + file.readUInt32LE(at + 4) / 1000;
    const frame = file.subarray(at + 16, at + 16 + length);
    at += 16 + length;
    if (frame.readUInt16BE(12) !== 0x0800 || frame[23] !== 17) continue;
    const udp = 14 + (frame[14]! & 0x0f) * 4;
    datagrams.push({ atMs, payload: frame.subarray(udp + 8, udp + frame.readUInt16BE(udp + 4)) });
  }
  return datagrams;
}
