import { describe, expect, it } from "vitest";
import { EnergyGate, levelDb } from "./energy-gate.ts";

describe("energy gate", () => {
  it("measures level against full scale", () => {
    expect(levelDb(new Int16Array(256), 0, 256)).toBe(-96);
    expect(levelDb(new Int16Array(256).fill(32767), 0, 256)).toBeCloseTo(0, 2);
    expect(levelDb(new Int16Array(256).fill(3277), 0, 256)).toBeCloseTo(-20, 1);
  });

  it("stays closed on digital silence and on steady line noise, at any level", () => {
    for (const noise of [-96, -70, -50, -40]) {
      const gate = new EnergyGate();
      for (let i = 0; i < 1200; i++) gate.step(noise + (i % 3));
      let open = 0;
      for (let i = 0; i < 300; i++) if (gate.step(noise + (i % 3))) open++;
      expect(open, `noise at ${noise} dB`).toBe(0);
    }
  });

  it("opens on speech over that noise at once, and stays open a little longer", () => {
    const gate = new EnergyGate();
    for (let i = 0; i < 1200; i++) gate.step(-50);
    expect(gate.step(-30)).toBe(true);
    expect([gate.step(-50), gate.step(-50), gate.step(-50), gate.step(-50)]).toEqual([true, true, true, false]);
  });

  it("does not take long speech for noise", () => {
    const gate = new EnergyGate();
    for (let i = 0; i < 100; i++) gate.step(-65);
    let closed = 0;
    // Twenty seconds of speech with its syllables.
    for (let i = 0; i < 625; i++) if (!gate.step(i % 8 < 6 ? -25 : -45)) closed++;
    expect(closed).toBe(0);
  });
});
