/**
 * Plays the audio of one live call: each chunk is scheduled after the one before it, `leadMs` behind what arrives, so that an
 * uneven network is not heard. A chunk that comes too late restarts the lead; one that would lie too far ahead is dropped.
 */
import type { AudioChunk } from "./audio-message.ts";

const leadMs = 200;
const longestLeadMs = 1200;

export class AudioPlayer {
  private context: AudioContext | null = null;
  private readonly gains: Record<"agent" | "caller", GainNode | null> = { agent: null, caller: null };
  private readonly volumes = { agent: 1, caller: 1 };
  private merger: ChannelMergerNode | null = null;
  private nextAt = 0;

  /** Must be called from a click or key press: browsers start no audio by themselves. */
  start(): void {
    if (this.context !== null) return;
    const context = new AudioContext({ latencyHint: "interactive" });
    const merger = context.createChannelMerger(2);
    for (const [side, channel] of [
      ["agent", 0],
      ["caller", 1],
    ] as const) {
      const gain = context.createGain();
      gain.gain.value = this.volumes[side];
      gain.connect(merger, 0, channel);
      this.gains[side] = gain;
    }
    merger.connect(context.destination);
    this.context = context;
    this.merger = merger;
    this.nextAt = 0;
    void context.resume();
  }

  stop(): void {
    this.merger?.disconnect();
    void this.context?.close();
    this.context = null;
    this.merger = null;
    this.gains.agent = null;
    this.gains.caller = null;
  }

  /** 0..1 */
  setVolume(side: "agent" | "caller", volume: number): void {
    this.volumes[side] = volume;
    this.gains[side]?.gain.setTargetAtTime(volume, this.context?.currentTime ?? 0, 0.02);
  }

  play(chunk: AudioChunk): void {
    const context = this.context;
    if (context === null || chunk.agent.length === 0) return;
    const now = context.currentTime;
    if (this.nextAt < now + 0.01) this.nextAt = now + leadMs / 1000;
    else if (this.nextAt > now + longestLeadMs / 1000) return;
    for (const side of ["agent", "caller"] as const) {
      const gain = this.gains[side];
      if (gain === null) continue;
      const buffer = context.createBuffer(1, chunk[side].length, chunk.sampleRate);
      buffer.copyToChannel(chunk[side], 0);
      const source = context.createBufferSource();
      source.buffer = buffer;
      source.connect(gain);
      source.start(this.nextAt);
    }
    this.nextAt += chunk.agent.length / chunk.sampleRate;
  }
}
