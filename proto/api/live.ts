/**
 * The live socket, `GET /api/v1/live` (WebSocket). Every text message is one JSON object with a `type`.
 *
 * The server sends `hello`, then `snapshot`, then `batch` messages: what happened in the last 100 ms, in order. `cursor` in each is
 * where to resume: `{type: "resume", cursor}` as the first message after a reconnect, to this API process or another, gets what was
 * missed, or a new snapshot when that is too long ago. A cursor is opaque and the tenant's own; one that was changed gets the error
 * `cursor_refused` and a new snapshot. A client that reads too slowly gets `summary` messages (a new snapshot) instead of the events it missed.
 * Binary messages are the audio of a call that this client listens to.
 */
import { z } from "zod";
import { alert, attention, callSummary, conversation, ledgerStage, lineQuality, segment, termination } from "./calls.ts";

export const liveCall = callSummary.extend({
  conversation: conversation.nullable(),
  attentionReasons: attention.shape.reasons,
  alerts: z.array(alert),
  /** Newest per leg. */
  lineQuality: z.array(lineQuality),
  /** The last 30 points of each side's sentiment: [startMs, score]. */
  sentimentCurve: z.object({ agent: z.array(z.tuple([z.number(), z.number()])), caller: z.array(z.tuple([z.number(), z.number()])) }),
  lastWords: z.object({ speaker: segment.shape.speaker, text: z.string(), final: z.boolean() }).nullable(),
});
export type LiveCall = z.infer<typeof liveCall>;

export const liveEvent = z.discriminatedUnion("type", [
  z.object({ type: z.literal("call.started"), call: liveCall }),
  z.object({ type: z.literal("call.updated"), callId: z.string(), call: liveCall }),
  z.object({ type: z.literal("call.ended"), callId: z.string(), endedAt: z.iso.datetime(), termination, detail: z.string() }),
  z.object({ type: z.literal("transcript.partial"), callId: z.string(), segment }),
  z.object({ type: z.literal("transcript.final"), callId: z.string(), segment }),
  z.object({
    type: z.literal("sentiment"),
    callId: z.string(),
    segmentId: z.string(),
    speaker: segment.shape.speaker,
    startMs: z.number(),
    score: z.number(),
    trend: z.number(),
  }),
  z.object({ type: z.literal("metrics"), callId: z.string(), conversation }),
  z.object({ type: z.literal("line-quality"), callId: z.string(), lineQuality }),
  z.object({ type: z.literal("attention"), callId: z.string(), attention }),
  z.object({ type: z.literal("alert"), callId: z.string(), alert }),
  z.object({ type: z.literal("ledger"), callId: z.string(), stage: ledgerStage }),
]);
export type LiveEvent = z.infer<typeof liveEvent>;

export const engineStatus = z.object({
  /** e.g. "pocketsphinx", or "none" */
  engine: z.string(),
  usable: z.boolean(),
  /** One line: why this one; and how to get one, or a better one. */
  reason: z.string(),
  remedy: z.string(),
});

export const serverMessage = z.discriminatedUnion("type", [
  z.object({ type: z.literal("hello"), tenantId: z.string(), serverTime: z.iso.datetime(), cursor: z.string(), speech: engineStatus }),
  z.object({ type: z.literal("snapshot"), cursor: z.string(), calls: z.array(liveCall) }),
  z.object({ type: z.literal("batch"), cursor: z.string(), events: z.array(liveEvent) }),
  /** The client was too slow: events were dropped; this replaces them. Transcripts have gaps, to be filled by GET …/transcript. */
  z.object({ type: z.literal("summary"), cursor: z.string(), droppedEvents: z.number(), calls: z.array(liveCall) }),
  /** The rate stands in each audio message; it is said here only where it is known before the first. */
  z.object({ type: z.literal("listening"), callId: z.string(), on: z.boolean(), sampleRate: z.number().optional() }),
  z.object({ type: z.literal("error"), code: z.string(), message: z.string(), remedy: z.string() }),
  z.object({ type: z.literal("pong"), serverTime: z.iso.datetime() }),
]);
export type ServerMessage = z.infer<typeof serverMessage>;

export const clientMessage = z.discriminatedUnion("type", [
  z.object({ type: z.literal("resume"), cursor: z.string().max(3000) }),
  /** Starts and stops the audio of one call; written to the audit log. */
  z.object({ type: z.literal("listen"), callId: z.string().max(100), on: z.boolean() }),
  z.object({ type: z.literal("ping") }),
]);
export type ClientMessage = z.infer<typeof clientMessage>;

/**
 * Binary audio message: "EA" (0x45 0x41), u8 version = 1, u8 channels = 2, u32le sample rate, u32le position ms, u8 length of the call
 * id, the call id (ASCII), then 16-bit little-endian samples, interleaved: agent left, caller right.
 */
export const audioMessageVersion = 1;
