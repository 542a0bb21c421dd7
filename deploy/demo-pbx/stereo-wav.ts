/** Two-channel mu-law WAV files, the form the demo calls are kept in: half the size of linear and any player opens them. */
import { muLawTable } from "@earshot/media-pipeline/leg/codec/g711.ts";
import { EarshotError } from "@earshot/proto/errors.ts";

const formatMuLaw = 7;
const headerBytes = 58;

/** @param channels mu-law bytes of left and right, of equal length */
export function muLawWav(sampleRate: number, channels: readonly [Uint8Array, Uint8Array]): Uint8Array {
  const [left, right] = channels;
  const file = Buffer.alloc(headerBytes + left.length * 2);
  file.write("RIFF", 0, "latin1");
  file.writeUInt32LE(file.length - 8, 4);
  file.write("WAVEfmt ", 8, "latin1");
  file.writeUInt32LE(18, 16);
  file.writeUInt16LE(formatMuLaw, 20);
  file.writeUInt16LE(2, 22);
  file.writeUInt32LE(sampleRate, 24);
  file.writeUInt32LE(sampleRate * 2, 28);
  file.writeUInt16LE(2, 32);
  file.writeUInt16LE(8, 34);
  file.writeUInt16LE(0, 36);
  file.write("fact", 38, "latin1");
  file.writeUInt32LE(4, 42);
  file.writeUInt32LE(left.length, 46);
  file.write("data", 50, "latin1");
  file.writeUInt32LE(left.length * 2, 54);
  for (let i = 0; i < left.length; i++) {
    file[headerBytes + i * 2] = left[i]!;
    file[headerBytes + i * 2 + 1] = right[i]!;
  }
  return file;
}

/** @returns 16-bit samples of both channels. @throws EarshotError corrupt where the file is not what `muLawWav` writes */
export function readMuLawWav(file: Uint8Array): { sampleRate: number; left: Int16Array; right: Int16Array } {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.length);
  if (
    bytes.length < headerBytes ||
    bytes.readUInt16LE(20) !== formatMuLaw ||
    bytes.readUInt16LE(22) !== 2 ||
    bytes.toString("latin1", 50, 54) !== "data"
  )
    throw new EarshotError("corrupt", "demo_audio_unreadable", "A demo recording is not a two-channel mu-law WAV file.", {
      remedy: "Make it anew with deploy/demo-pbx/make-audio.ts.",
    });
  const length = bytes.readUInt32LE(54) >> 1;
  const left = new Int16Array(length);
  const right = new Int16Array(length);
  for (let i = 0; i < length; i++) {
    left[i] = muLawTable[bytes[headerBytes + i * 2]!]!;
    right[i] = muLawTable[bytes[headerBytes + i * 2 + 1]!]!;
  }
  return { sampleRate: bytes.readUInt32LE(24), left, right };
}
