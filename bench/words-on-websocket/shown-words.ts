/** What the live socket shows of calls that the demo PBX plays, and how long after a turn was spoken its words were there. */
import type { DemoCallHandle } from "@earshot/deploy/demo-pbx/demo-call.ts";
import { loadTruth } from "@earshot/deploy/demo-pbx/dialogue.ts";
import type { CallDetail } from "@earshot/proto/api/calls.ts";
import type { ServerMessage } from "@earshot/proto/api/live.ts";

/** A segment's end and the turn's true end are the same when they are this close. */
const sameEndMs = 450;

type Final = { readonly callId: string; readonly speaker: string; readonly endMs: number; readonly atMs: number };
export type PlacedCall = { readonly scenario: string; readonly call: DemoCallHandle };

/** @returns NaN where there are no values */
export const percentile = (values: readonly number[], share: number): number =>
  values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))] ?? Number.NaN;

export class ShownWords {
  readonly #socket: WebSocket;
  readonly #finals: Final[] = [];
  readonly #lastPartial = new Map<string, number>();
  /** Between two partials of a segment. */
  readonly gapsMs: number[] = [];

  constructor(httpPort: number, apiKey: string) {
    this.#socket = new WebSocket(`ws://127.0.0.1:${httpPort}/api/v1/live`, [`bearer.${apiKey}`]);
    this.#socket.addEventListener("message", ({ data }) => this.#receive(JSON.parse(String(data)) as ServerMessage));
  }

  close(): void {
    this.#socket.close();
  }

  #receive(message: ServerMessage): void {
    if (message.type !== "batch") return;
    const atMs = Date.now();
    for (const event of message.events) {
      if (event.type !== "transcript.partial" && event.type !== "transcript.final") continue;
      const { segmentId, speaker, endMs } = event.segment;
      if (event.type === "transcript.final") this.#finals.push({ callId: event.callId, speaker, endMs, atMs });
      else {
        const before = this.#lastPartial.get(segmentId);
        if (before !== undefined) this.gapsMs.push(atMs - before);
        this.#lastPartial.set(segmentId, atMs);
      }
    }
  }

  /**
   * From a turn's last voiced packet, as the demo PBX sent it, to its final text here; of the newest 200 calls at most.
   * @param get of the API
   */
  async delaysMs(placed: readonly PlacedCall[], get: <T>(path: string) => Promise<T>): Promise<number[]> {
    const delays: number[] = [];
    const { data } = await get<{ data: { id: string }[] }>("/api/v1/calls?perPage=200");
    for (const { id } of data) {
      const { sipCallId, startedAt } = await get<CallDetail>(`/api/v1/calls/${id}`);
      const mine = placed.find(({ call }) => call.sipCallId === sipCallId);
      if (mine === undefined) continue;
      for (const turn of loadTruth(mine.scenario).turns) {
        const spokenUntilMs = mine.call.playingSinceMs + turn.endMs;
        const inCallMs = spokenUntilMs - Date.parse(startedAt);
        const final = this.#finals.find(
          ({ callId, speaker, endMs }) => callId === id && speaker === turn.speaker && Math.abs(endMs - inCallMs) < sameEndMs,
        );
        if (turn.text !== undefined && final !== undefined) delays.push(final.atMs - spokenUntilMs);
      }
    }
    return delays;
  }
}
