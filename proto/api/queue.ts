/** What the REST API says about records that could not be handled. */
import { z } from "zod";

export const deadLetterState = z.enum(["waiting", "replayed", "discarded"]);

export const deadLetter = z.object({
  id: z.string(),
  /** When it was put aside. */
  at: z.iso.datetime(),
  topic: z.string(),
  partition: z.number(),
  offset: z.number(),
  /** The record's own: the call's id, mostly. */
  key: z.string(),
  /** Who could not handle it. */
  group: z.string(),
  errorCode: z.string(),
  errorCategory: z.string(),
  attempts: z.number(),
  bytes: z.number(),
  /** false: nobody could read whose it is. */
  claimed: z.boolean(),
  state: deadLetterState,
  settledBy: z.string().nullable(),
  settledAt: z.iso.datetime().nullable(),
});
export type DeadLetter = z.infer<typeof deadLetter>;

/** One letter with what can be read of its record: as JSON where it is an event that this version knows, and its first bytes. */
export const deadLetterDetail = deadLetter.extend({
  message: z.string().describe("what is wrong, as this version of Earshot reads the record now; empty where it reads it well"),
  remedy: z.string(),
  event: z.unknown().nullable(),
  hex: z.string().describe("the first bytes"),
});
export type DeadLetterDetail = z.infer<typeof deadLetterDetail>;
