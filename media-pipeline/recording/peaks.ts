/** Peaks for the waveform: the loudest sample of each stretch, as one byte per channel. */

const shortestPeakMs = 50;
/** A longer call gets longer stretches, so that the event stays small. */
const mostPeaks = 36_000;

export class Peaks {
  readonly peakMs: number;
  readonly channels: Uint8Array[];
  readonly #samplesPerPeak: number;
  #frames = 0;

  constructor(channels: number, sampleRate: number, totalFrames: number) {
    const durationMs = (totalFrames * 1000) / sampleRate;
    this.peakMs = shortestPeakMs * Math.max(1, Math.ceil(durationMs / shortestPeakMs / mostPeaks));
    this.#samplesPerPeak = (sampleRate * this.peakMs) / 1000;
    const length = Math.ceil(totalFrames / this.#samplesPerPeak);
    this.channels = Array.from({ length: channels }, () => new Uint8Array(length));
  }

  /** Takes the next `frames` frames of interleaved audio. */
  add(interleaved: Int16Array, frames: number): void {
    const channels = this.channels.length;
    for (let frame = 0; frame < frames; frame++) {
      const slot = Math.floor((this.#frames + frame) / this.#samplesPerPeak);
      for (let channel = 0; channel < channels; channel++) {
        const value = interleaved[frame * channels + channel]!;
        const peak = Math.min(255, (value < 0 ? -value : value) >> 7);
        const row = this.channels[channel]!;
        if (peak > row[slot]!) row[slot] = peak;
      }
    }
    this.#frames += frames;
  }
}
