/** What is heard of a call, as it comes: a WAV file, or bare samples to the standard output. */
import { open } from "node:fs/promises";
import { wavHeader } from "@earshot/media-pipeline/recording/wav.ts";
import { EarshotError } from "@earshot/proto/errors.ts";

/** 16-bit little-endian, two channels interleaved. */
type Heard = { readonly sampleRate: number; readonly pcm: Uint8Array };

const channels = 2;
/** Of a WAV file, 4 GiB less its header: six hours at 48 kHz. What a header says of one that is still written, and of a longer one. */
const mostBytes = 0xffff_ffff - 36;

/**
 * Writes until the chunks end or fail. A file may be played while it grows: its header says how long it is when it is finished.
 * @param file "-" = the standard output
 * @param began told the samples per second when the first chunk comes
 * @throws EarshotError unavailable `audio_not_written`; whatever the chunks throw
 */
export async function writeHeard(chunks: AsyncIterable<Heard>, file: string, began: (sampleRate: number) => void): Promise<void> {
  if (file === "-") {
    let isFirst = true;
    for await (const { sampleRate, pcm } of chunks) {
      if (isFirst) began(sampleRate);
      isFirst = false;
      await new Promise<void>((resolve, reject) =>
        process.stdout.write(pcm, (error) => (error ? reject(notWritten(file, error)) : resolve())),
      );
    }
    return;
  }
  const out = await open(file, "w").catch((cause: unknown) => {
    throw notWritten(file, cause);
  });
  let rate = 0;
  let bytes = 0;
  try {
    for await (const { sampleRate, pcm } of chunks) {
      if (rate === 0) {
        rate = sampleRate;
        began(rate);
        await put(wavHeader(rate, channels, mostBytes));
      }
      await put(pcm);
      bytes += pcm.byteLength;
    }
  } finally {
    // Also where the listening is broken off: what was heard is to be a whole file.
    if (rate > 0) await out.write(wavHeader(rate, channels, Math.min(bytes, mostBytes)), 0, undefined, 0).catch(() => {});
    await out.close();
  }

  async function put(data: Uint8Array): Promise<void> {
    await out.appendFile(data).catch((cause: unknown) => {
      throw notWritten(file, cause);
    });
  }
}

const notWritten = (file: string, cause: unknown): EarshotError =>
  new EarshotError(
    "unavailable",
    "audio_not_written",
    `${file === "-" ? "The standard output" : file} cannot be written: ${(cause as Error).message}`,
    {
      cause,
    },
  );
