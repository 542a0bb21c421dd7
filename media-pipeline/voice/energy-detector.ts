/** The fallback: judges by level alone, at once. */
import type { VoiceDetector, VoiceSink, VoiceStream } from "./detector.ts";

export function createEnergyDetector(reason: string): VoiceDetector {
  return {
    name: "energy-detector",
    kind: "energy",
    reason,
    start: async () => {},
    stop: async () => {},
    open(sink: VoiceSink): VoiceStream {
      return {
        push: (_pcm, window, open, energyProbability) => sink.judged(window, open ? energyProbability : 0),
        mark: (kind) => sink.marked(kind),
        close: () => {},
        waiting: 0,
      };
    },
  };
}
