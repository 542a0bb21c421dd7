import type { Attention } from "@earshot/proto/api/calls.ts";

export type AttentionReason = Attention["reasons"][number];
export type { LedgerStage } from "@earshot/proto/api/calls.ts";
