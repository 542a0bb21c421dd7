import { describe, expect, it } from "vitest";
import { readAudioMessage } from "./audio-message.ts";

function message(id: string, samples: [number, number][], change: (view: DataView) => void = () => {}): ArrayBuffer {
  const buffer = new ArrayBuffer(13 + id.length + samples.length * 4);
  const view = new DataView(buffer);
  view.setUint8(0, 0x45);
  view.setUint8(1, 0x41);
  view.setUint8(2, 1);
  view.setUint8(3, 2);
  view.setUint32(4, 16_000, true);
  view.setUint32(8, 4200, true);
  view.setUint8(12, id.length);
  for (let index = 0; index < id.length; index += 1) view.setUint8(13 + index, id.charCodeAt(index));
  samples.forEach(([agent, caller], index) => {
    view.setInt16(13 + id.length + index * 4, agent, true);
    view.setInt16(15 + id.length + index * 4, caller, true);
  });
  change(view);
  return buffer;
}

describe("the binary audio message", () => {
  it("comes apart into agent and caller, also where the samples begin at an odd byte", () => {
    for (const id of ["call-1", "call-12"]) {
      const chunk = readAudioMessage(
        message(id, [
          [16_384, -32_768],
          [0, 8192],
        ]),
      );
      expect(chunk).toMatchObject({ callId: id, sampleRate: 16_000, positionMs: 4200 });
      expect([...chunk!.agent]).toEqual([0.5, 0]);
      expect([...chunk!.caller]).toEqual([-1, 0.25]);
    }
  });

  it("is refused when it is short, of another version, or claims what cannot be", () => {
    expect(readAudioMessage(new ArrayBuffer(5))).toBeNull();
    expect(readAudioMessage(message("a", [], (view) => view.setUint8(2, 2)))).toBeNull();
    expect(readAudioMessage(message("a", [], (view) => view.setUint8(12, 200)))).toBeNull();
    expect(readAudioMessage(message("a", [], (view) => view.setUint32(4, 1, true)))).toBeNull();
  });
});
