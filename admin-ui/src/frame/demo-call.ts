/** Places a demo call: Earshot's own PBX calls itself with a recorded conversation. */
import type { SystemStatus } from "@earshot/proto/api/administration.ts";
import { useMutation, useQuery } from "@tanstack/react-query";
import { useNotify } from "react-admin";
import { ApiFailure, request } from "../api-client/request.ts";

export const useStatus = () => useQuery({ queryKey: ["status"], queryFn: () => request<SystemStatus>("/status"), staleTime: 30_000 });

export function useDemoCall() {
  const notify = useNotify();
  return useMutation({
    mutationFn: (scenario: string | undefined) =>
      request<{ callId?: string } | undefined>("/demo-calls", { method: "POST", body: { scenario } }),
    onSuccess: () => notify("The demo call is on its way; it appears on the live board within a second or two.", { type: "info" }),
    onError: (error) =>
      notify(`The demo call was not placed. ${error.message} ${error instanceof ApiFailure ? error.remedy : ""}`, {
        type: "error",
        autoHideDuration: 8000,
      }),
  });
}
