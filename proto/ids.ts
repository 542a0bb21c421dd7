/** Branded ids: a call's id cannot be passed where a tenant's is wanted. */

declare const brand: unique symbol;
type Branded<B extends string> = string & { readonly [brand]: B };

export type TenantId = Branded<"TenantId">;
export type CallId = Branded<"CallId">;
export type TrunkId = Branded<"TrunkId">;
export type SegmentId = Branded<"SegmentId">;

export const tenantId = (value: string): TenantId => value as TenantId;
export const callId = (value: string): CallId => value as CallId;
export const trunkId = (value: string): TrunkId => value as TrunkId;

/**
 * The id of an utterance: the same audio always gets the same id, so a redelivered chunk cannot make a second segment.
 * @param startMs first sample of the utterance, milliseconds from the start of the call
 */
export function segmentId(call: CallId, leg: number, startMs: number): SegmentId {
  return `${call}-${leg}-${startMs}` as SegmentId;
}
