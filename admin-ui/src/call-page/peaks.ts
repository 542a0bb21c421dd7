/** The recording's peaks as the API sends them: base64, one byte per `peakMs` and channel. */

export function readPeaks(base64: string): Uint8Array {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let index = 0; index < text.length; index += 1) bytes[index] = text.charCodeAt(index);
  return bytes;
}

/** The loudest peak in each of `columns` equal parts, 0..1. */
export function columnPeaks(peaks: Uint8Array, columns: number): Float32Array {
  const out = new Float32Array(columns);
  for (let column = 0; column < columns; column += 1) {
    const from = Math.floor((column * peaks.length) / columns);
    const to = Math.max(from + 1, Math.floor(((column + 1) * peaks.length) / columns));
    let most = 0;
    for (let index = from; index < to && index < peaks.length; index += 1) most = Math.max(most, peaks[index] ?? 0);
    out[column] = most / 255;
  }
  return out;
}
