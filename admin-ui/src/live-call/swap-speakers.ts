import type { CallDetail, CallSummary } from "@earshot/proto/api/calls.ts";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNotify } from "react-admin";
import { ApiFailure, request } from "../api-client/request.ts";

/** A correction is taken at once and written a moment later: this often, and so many times, the page looks for it. */
const lookEveryMs = 400;
const lookTimes = 12;

/** Corrects a call whose agent and caller were taken for each other. Words, sentiment and measures move with it. */
export function useSwapSpeakers(call: CallSummary): { possible: boolean; busy: boolean; swap(): void } {
  const notify = useNotify();
  const queries = useQueryClient();
  const legs = call.legs.filter((leg) => leg.speaker !== "mixed");
  const path = `/calls/${encodeURIComponent(call.id)}`;
  const mutation = useMutation({
    mutationFn: async () => {
      const wanted = legs.map((leg) => ({ index: leg.index, speaker: leg.speaker === "agent" ? "caller" : "agent" }));
      await request(`${path}/speakers`, { method: "POST", body: { legs: wanted } });
      for (let look = 0; look < lookTimes; look += 1) {
        const known = await request<CallDetail>(path);
        if (wanted.every(({ index, speaker }) => known.legs.find((leg) => leg.index === index)?.speaker === speaker)) return true;
        await new Promise((resolve) => setTimeout(resolve, lookEveryMs));
      }
      return false;
    },
    onSuccess: async (done) => {
      notify(done ? "Agent and caller are swapped." : "Agent and caller will be swapped; it takes longer than usual.", { type: "info" });
      await queries.invalidateQueries();
    },
    onError: (error) =>
      notify(`Agent and caller stay as they were. ${error.message} ${error instanceof ApiFailure ? error.remedy : ""}`, {
        type: "error",
        autoHideDuration: 8000,
      }),
  });
  return { possible: legs.length >= 2, busy: mutation.isPending, swap: () => mutation.mutate() };
}
