import type { callStatistics } from "@earshot/proto/api/calls.ts";

export type { CallListItem } from "@earshot/proto/api/calls.ts";
export type CallStatistics = ReturnType<(typeof callStatistics)["parse"]>;
