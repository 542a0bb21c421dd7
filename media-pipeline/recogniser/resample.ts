/** Linear resampling, for the case that engines of one chain expect different rates. */

/** @returns the same array where the rates agree; chunks join without a gap because the rates used are whole ratios of chunk lengths */
export function resample(pcm: Int16Array, fromHz: number, toHz: number): Int16Array {
  if (fromHz === toHz) return pcm;
  const out = new Int16Array(Math.round((pcm.length * toHz) / fromHz));
  const step = fromHz / toHz;
  for (let i = 0; i < out.length; i++) {
    const at = i * step;
    const left = Math.min(pcm.length - 1, Math.floor(at));
    const right = Math.min(pcm.length - 1, left + 1);
    out[i] = Math.round(pcm[left]! + (pcm[right]! - pcm[left]!) * (at - left));
  }
  return out;
}
