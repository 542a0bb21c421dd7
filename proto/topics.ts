/** The topic table: every arrow between two services, what its records are and how long they are kept. */

export type TopicSpec = {
  readonly name: string;
  /** Records of one key keep their order; keys are spread over this many partitions. */
  readonly partitions: number;
  readonly retentionMs: number;
  /** Over this many bytes (all partitions) the oldest segments go first, even when younger than `retentionMs`. */
  readonly retentionBytes: number;
  /**
   * delete: records go when they are too old or too many. compact: the newest record of each key stays, whatever its age; an empty value says
   * that the key is finished, and goes in the end too.
   */
  readonly cleanup: "delete" | "compact";
  readonly key: "callId" | "tenantId" | "gatewayId" | "instance" | "letterId";
  readonly message: "Event" | "MediaChunk";
  readonly writtenBy: string;
};

const hour = 3_600_000;
const day = 24 * hour;
const MiB = 1024 * 1024;

export const topics = {
  calls: {
    name: "calls.v1",
    partitions: 4,
    retentionMs: 7 * day,
    retentionBytes: 512 * MiB,
    cleanup: "delete",
    key: "callId",
    message: "Event",
    writtenBy: "sip-gateway",
  },
  media: {
    name: "media.v1",
    partitions: 4,
    retentionMs: hour / 4,
    retentionBytes: 2048 * MiB,
    cleanup: "delete",
    key: "callId",
    message: "MediaChunk",
    writtenBy: "sip-gateway",
  },
  lineQuality: {
    name: "line-quality.v1",
    partitions: 4,
    retentionMs: day,
    retentionBytes: 256 * MiB,
    cleanup: "delete",
    key: "callId",
    message: "Event",
    writtenBy: "sip-gateway",
  },
  transcripts: {
    name: "transcripts.v1",
    partitions: 4,
    retentionMs: 7 * day,
    retentionBytes: 512 * MiB,
    cleanup: "delete",
    key: "callId",
    message: "Event",
    writtenBy: "media-pipeline",
  },
  conversation: {
    name: "conversation.v1",
    partitions: 4,
    retentionMs: day,
    retentionBytes: 256 * MiB,
    cleanup: "delete",
    key: "callId",
    message: "Event",
    writtenBy: "media-pipeline",
  },
  recordings: {
    name: "recordings.v1",
    partitions: 4,
    retentionMs: 7 * day,
    retentionBytes: 128 * MiB,
    cleanup: "delete",
    key: "callId",
    message: "Event",
    writtenBy: "media-pipeline",
  },
  insights: {
    name: "insights.v1",
    partitions: 4,
    retentionMs: 7 * day,
    retentionBytes: 256 * MiB,
    cleanup: "delete",
    key: "callId",
    message: "Event",
    writtenBy: "analytics",
  },
  ledger: {
    name: "ledger.v1",
    partitions: 4,
    retentionMs: 7 * day,
    retentionBytes: 128 * MiB,
    cleanup: "delete",
    key: "callId",
    message: "Event",
    writtenBy: "all",
  },
  commands: {
    name: "commands.v1",
    partitions: 4,
    retentionMs: hour,
    retentionBytes: 16 * MiB,
    cleanup: "delete",
    key: "callId",
    message: "Event",
    writtenBy: "analytics",
  },
  listen: {
    name: "listen.v1",
    partitions: 4,
    retentionMs: 60_000,
    retentionBytes: 64 * MiB,
    cleanup: "delete",
    key: "callId",
    message: "Event",
    writtenBy: "media-pipeline",
  },
  settings: {
    name: "settings.v1",
    partitions: 1,
    retentionMs: 30 * day,
    retentionBytes: 64 * MiB,
    cleanup: "compact",
    key: "tenantId",
    message: "Event",
    writtenBy: "analytics",
  },
  /** The state of each call under way, for the worker that takes its partition over. */
  callState: {
    name: "call-state.v1",
    partitions: 4,
    retentionMs: day,
    retentionBytes: 256 * MiB,
    cleanup: "compact",
    key: "callId",
    message: "Event",
    writtenBy: "media-pipeline",
  },
  /** The beat of each gateway. */
  gateways: {
    name: "gateways.v1",
    partitions: 1,
    retentionMs: day,
    retentionBytes: 16 * MiB,
    cleanup: "compact",
    key: "gatewayId",
    message: "Event",
    writtenBy: "sip-gateway",
  },
  services: {
    name: "services.v1",
    partitions: 1,
    retentionMs: day,
    retentionBytes: 16 * MiB,
    cleanup: "compact",
    key: "instance",
    message: "Event",
    writtenBy: "platform",
  },
  admissions: {
    name: "admissions.v1",
    partitions: 1,
    retentionMs: day,
    retentionBytes: 16 * MiB,
    cleanup: "delete",
    key: "tenantId",
    message: "Event",
    writtenBy: "sip-gateway",
  },
  deadLetter: {
    name: "dead-letter.v1",
    partitions: 1,
    retentionMs: 30 * day,
    retentionBytes: 256 * MiB,
    cleanup: "delete",
    key: "callId",
    message: "Event",
    writtenBy: "platform",
  },
  /** What people did with dead letters. */
  deadLetterSettled: {
    name: "dead-letter-settled.v1",
    partitions: 1,
    retentionMs: 30 * day,
    retentionBytes: 64 * MiB,
    cleanup: "compact",
    key: "letterId",
    message: "Event",
    writtenBy: "analytics",
  },
} as const satisfies Record<string, TopicSpec>;

export type TopicName = (typeof topics)[keyof typeof topics]["name"];
export const allTopics: readonly TopicSpec[] = Object.values(topics);

/** Every topic, with room for so much audio: how much is a matter of the installation's calls and of how long its workers may be away. */
export function topicsWithMedia(retentionBytes: number): TopicSpec[] {
  return allTopics.map((topic) => (topic.name === topics.media.name ? { ...topic, retentionBytes } : topic));
}

/** @returns undefined where this version has no such topic */
export function topicNamed(name: string): TopicSpec | undefined {
  return allTopics.find((topic) => topic.name === name);
}
