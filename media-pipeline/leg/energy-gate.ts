/** The cheap look before the speech detector: windows no louder than the leg's own noise need no model. */

/** Level of a window in dB below full scale (0 = full scale, -96 = digital silence). */
export function levelDb(pcm: Int16Array, from: number, length: number): number {
  let sum = 0;
  for (let i = from, end = from + length; i < end; i++) sum += pcm[i]! * pcm[i]!;
  const mean = sum / length / (32768 * 32768);
  return mean <= 2.5e-10 ? -96 : 10 * Math.log10(mean);
}

const openOverFloorDb = 9;
/** Under this nothing is speech on a telephone line. */
const absoluteFloorDb = -55;
/** Rise of the noise floor per 32 ms window: 1.5 dB per second, slow against speech, which has pauses. */
const risePerWindowDb = 0.048;

export class EnergyGate {
  /** Estimated noise of the leg, dB. */
  floorDb = -70;
  #holdWindows = 0;

  /**
   * @param learn false: the window tells nothing of the leg's noise
   * @returns true where the window deserves the speech detector; stays open for `hold` windows so that the detector sees speech end
   */
  step(db: number, learn = true, hold = 4): boolean {
    if (learn) {
      if (db < this.floorDb) this.floorDb += (Math.max(db, -80) - this.floorDb) * 0.3;
      else this.floorDb = Math.min(this.floorDb + risePerWindowDb, db, -35);
    }
    if (db > absoluteFloorDb && db > this.floorDb + openOverFloorDb) this.#holdWindows = hold;
    else if (this.#holdWindows > 0) this.#holdWindows--;
    return this.#holdWindows > 0;
  }

  /** Speech probability from level alone: 0.5 at 9 dB over the noise. */
  probability(db: number): number {
    if (db <= absoluteFloorDb + 5) return 0;
    const over = db - this.floorDb;
    return over <= 3 ? 0 : over >= 15 ? 1 : (over - 3) / 12;
  }
}
