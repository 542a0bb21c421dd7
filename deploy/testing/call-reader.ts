/** Calls as the API tells them, for tests: lists, records that are settled, transcripts, recordings. */
import type { CallDetail, CallSummary, LedgerStage, Segment } from "@earshot/proto/api/calls.ts";
import { eventually } from "./earshot-process.ts";

type List<T> = { data: T[]; total: number };

export type CallReader = {
  /** GET of an API, the first where none is named. @throws where the answer is not 2xx */
  get<T>(path: string, api?: string): Promise<T>;
  calls(api?: string): Promise<CallSummary[]>;
  /** Ids of all calls that are recorded. */
  known(): Promise<ReadonlySet<string>>;
  /** Waits until `count` calls are recorded besides those, all ended by name and with a ledger in which nothing is under way. */
  settled(count: number, ms: number, besides?: ReadonlySet<string>): Promise<CallDetail[]>;
  transcript(callId: string, api?: string): Promise<Segment[]>;
  /** The final recording, WAV. */
  recording(callId: string, ms: number, api?: string): Promise<Buffer>;
};

/** @param request with an API key; `api` names one of several */
export function callReader(request: (path: string, api?: string) => Promise<Response>): CallReader {
  const get = async <T>(path: string, api?: string): Promise<T> => {
    const answer = await request(path, api);
    if (!answer.ok) throw new Error(`GET ${path}: ${answer.status} ${await answer.text()}`);
    return (await answer.json()) as T;
  };
  const calls = async (api?: string): Promise<CallSummary[]> => (await get<List<CallSummary>>("/api/v1/calls?perPage=100", api)).data;
  const isUnderWay = ({ outcome }: LedgerStage): boolean => outcome === "running" || outcome === "pending";
  return {
    get,
    calls,
    known: async () => new Set((await calls()).map(({ id }) => id)),
    async settled(count, ms, besides = new Set()) {
      const ended = await eventually(
        async () => (await calls()).filter(({ id }) => !besides.has(id)),
        (found) => found.length === count && found.every(({ endedAt }) => endedAt !== null),
        ms,
      );
      for (const { id } of ended)
        await eventually(
          async () => (await get<List<LedgerStage>>(`/api/v1/calls/${id}/ledger`)).data,
          (stages) => stages.length > 0 && !stages.some(isUnderWay),
          ms,
        );
      const details: CallDetail[] = [];
      for (const { id } of ended) details.push(await get<CallDetail>(`/api/v1/calls/${id}`));
      return details;
    },
    transcript: async (callId, api) => (await get<List<Segment>>(`/api/v1/calls/${callId}/transcript`, api)).data,
    async recording(callId, ms, api) {
      const answer = await eventually(
        () => request(`/api/v1/calls/${callId}/recording`, api),
        ({ status }) => status === 200,
        ms,
      );
      return Buffer.from(await answer.arrayBuffer());
    },
  };
}
