/** Which topic an event of a call travels on, for tests that publish whole calls. */
import type { Event, PayloadCase } from "@earshot/proto/event.ts";
import { topics } from "@earshot/proto/topics.ts";

export function topicOf(event: Event): string {
  const byCase: Partial<Record<PayloadCase, string>> = {
    transcriptSegment: topics.transcripts.name,
    lineQuality: topics.lineQuality.name,
    conversationMetrics: topics.conversation.name,
    recordingStored: topics.recordings.name,
    stageReached: topics.ledger.name,
    sentiment: topics.insights.name,
    alert: topics.insights.name,
    attention: topics.insights.name,
  };
  return byCase[event.payload.case!] ?? topics.calls.name;
}
