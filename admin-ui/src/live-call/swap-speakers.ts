import type { CallSummary } from "@earshot/proto/api/calls.ts";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNotify } from "react-admin";
import { ApiFailure, request } from "../api-client/request.ts";

/** Corrects a call whose agent and caller were taken for each other. Words, sentiment and measures move with it. */
export function useSwapSpeakers(call: CallSummary): { possible: boolean; busy: boolean; swap(): void } {
  const notify = useNotify();
  const queries = useQueryClient();
  const legs = call.legs.filter((leg) => leg.speaker !== "mixed");
  const mutation = useMutation({
    mutationFn: () =>
      request(`/calls/${encodeURIComponent(call.id)}/speakers`, {
        method: "POST",
        body: { legs: legs.map((leg) => ({ index: leg.index, speaker: leg.speaker === "agent" ? "caller" : "agent" })) },
      }),
    onSuccess: async () => {
      notify("Agent and caller are swapped.", { type: "info" });
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
