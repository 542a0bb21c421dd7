/** Settings of the insights: how phrases are matched, how often scores are published, and what is kept per call. */
import { type SettingsOf, setting, z } from "@earshot/platform/config/settings.ts";

const count = (min: number, max: number) => z.coerce.number().int().min(min).max(max);

export const insightsSettings = {
  wildcardWords: setting({
    env: "EARSHOT_PHRASE_WILDCARD_WORDS",
    schema: count(0, 50),
    default: 5,
    describe: 'most words that "..." in a phrase stands for (0 to 50)',
    atLimit: "the phrase does not match",
  }),
  notSaidGraceMs: setting({
    env: "EARSHOT_PHRASE_GRACE_MS",
    schema: count(0, 120_000),
    default: 8000,
    describe:
      'how long after its time a "not said" rule waits for words that were spoken in time and are recognised later (0 to 120000 ms)',
  }),
  rulesRefreshMs: setting({
    env: "EARSHOT_PHRASE_RULES_REFRESH_MS",
    schema: count(0, 600_000),
    default: 5000,
    describe: "how long a tenant's phrase rules are used before they are read again (0 to 600000 ms)",
  }),
  attentionIntervalMs: setting({
    env: "EARSHOT_ATTENTION_INTERVAL_MS",
    schema: count(100, 60_000),
    default: 1000,
    describe: "shortest time between two attention scores of one call (100 to 60000 ms)",
    atLimit: "the newest score is published when the time is over",
  }),
  lateWordsMs: setting({
    env: "EARSHOT_INSIGHTS_LATE_WORDS_MS",
    schema: count(0, 3_600_000),
    default: 180_000,
    describe: "how long a call that has ended, and whose last words the pipeline has not told yet, is waited for (0 to 3600000 ms)",
    atLimit: "the call's stages end as they are; words that come later get their sentiment alone",
  }),
  endGraceMs: setting({
    env: "EARSHOT_INSIGHTS_END_GRACE_MS",
    schema: count(0, 600_000),
    default: 15_000,
    describe: "how long a call that has ended, and of which the pipeline has told everything, is kept for what overtakes (0 to 600000 ms)",
  }),
  idleMs: setting({
    env: "EARSHOT_INSIGHTS_IDLE_MS",
    schema: count(60_000, 86_400_000),
    default: 7_200_000,
    describe: "after this long without any event a call is forgotten, ended or not (60000 to 86400000 ms)",
    atLimit: "the call's stages end as they are; words that come later get their sentiment alone",
  }),
  toldCalls: setting({
    env: "EARSHOT_INSIGHTS_TOLD_CALLS",
    schema: count(100, 1_000_000),
    default: 20_000,
    describe:
      "calls that have ended and are remembered, per partition, so that what comes late of them does not begin them anew (100 to 1000000)",
    atLimit: "the oldest is forgotten; an event of it that comes still has its stages told again",
  }),
  maxCalls: setting({
    env: "EARSHOT_INSIGHTS_MAX_CALLS",
    schema: count(10, 1_000_000),
    default: 20_000,
    describe: "calls followed at once (10 to 1000000)",
    atLimit: "further calls get no insights and are counted",
  }),
  maxSegmentsPerCall: setting({
    env: "EARSHOT_INSIGHTS_MAX_SEGMENTS",
    schema: count(100, 1_000_000),
    default: 20_000,
    describe: "segments of one call that are analysed (100 to 1000000)",
    atLimit: "further segments of the call are not analysed, and counted",
  }),
  recoverMs: setting({
    env: "EARSHOT_INSIGHTS_RECOVER_MS",
    schema: count(0, 604_800_000),
    default: 28_800_000,
    describe: "how far back a start looks for calls that are still up (0 to 604800000 ms)",
    atLimit: "older calls are not recovered",
  }),
} as const;

export type InsightsSettings = SettingsOf<typeof insightsSettings>;
