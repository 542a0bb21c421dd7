/** Conversation metrics from who spoke when (definitions: facts of the project; ratios name their denominators). */

export type ConversationInput = {
  /** Start and end in turn, milliseconds, ordered and disjoint. */
  readonly agent: readonly number[];
  readonly caller: readonly number[];
  /** false = one mixed stream in `agent`: sides cannot be told apart. */
  readonly separate: boolean;
  readonly durationMs: number;
  readonly silenceThresholdMs: number;
  readonly overtalkThresholdMs: number;
  readonly agentWords: number;
  readonly callerWords: number;
};

export type Conversation = {
  durationMs: number;
  agentSpeechMs: number;
  callerSpeechMs: number;
  /** agent / (agent + caller), silence left out; -1 = nobody has spoken, or sides are not separate */
  talkRatio: number;
  /** Neither speaks, however short. */
  silenceMs: number;
  /** Stretches of silence at or over the threshold. */
  silenceCount: number;
  silenceThresholdMs: number;
  longestSilenceMs: number;
  currentSilenceMs: number;
  /** Both speak, in stretches over the threshold. */
  overtalkMs: number;
  overtalkCount: number;
  overtalkThresholdMs: number;
  /** Overlaps over the threshold, by who began to speak while the other did. */
  agentInterruptions: number;
  callerInterruptions: number;
  agentTurns: number;
  callerTurns: number;
  /** Longest turn, its own short pauses included. */
  longestAgentMonologueMs: number;
  longestCallerMonologueMs: number;
  /** Median gap between the caller's end and the agent's start; -1 = none yet */
  responseLatencyMs: number;
  /** Words over the minutes that side spoke; -1 = no words yet */
  agentWordsPerMinute: number;
  callerWordsPerMinute: number;
};

function total(bounds: readonly number[]): number {
  let sum = 0;
  for (let i = 0; i < bounds.length; i += 2) sum += bounds[i + 1]! - bounds[i]!;
  return sum;
}

/** Rates over less speech than this say nothing. */
const leastSpeechForRateMs = 1000;

function perMinute(words: number, speechMs: number): number {
  return words === 0 || speechMs < leastSpeechForRateMs ? -1 : (words * 60_000) / speechMs;
}

type Silence = { total: number; count: number; longest: number; current: number };

/** What neither side fills, from the start of the call to its end so far. */
function silence(input: ConversationInput): Silence {
  const result = { total: 0, count: 0, longest: 0, current: 0 };
  const { agent, caller, durationMs } = input;
  let a = 0;
  let c = 0;
  let heardTo = 0;
  const gap = (to: number): void => {
    const length = to - heardTo;
    if (length <= 0) return;
    result.total += length;
    result.longest = Math.max(result.longest, length);
    if (length >= input.silenceThresholdMs) result.count++;
  };
  while (a < agent.length || c < caller.length) {
    const useAgent = c >= caller.length || (a < agent.length && agent[a]! <= caller[c]!);
    const from = useAgent ? agent[a]! : caller[c]!;
    const to = useAgent ? agent[a + 1]! : caller[c + 1]!;
    gap(from);
    heardTo = Math.max(heardTo, to);
    if (useAgent) a += 2;
    else c += 2;
  }
  gap(durationMs);
  result.current = Math.max(0, durationMs - heardTo);
  return result;
}

type Overtalk = { total: number; count: number; byAgent: number; byCaller: number };

function overtalk(input: ConversationInput): Overtalk {
  const { agent, caller, overtalkThresholdMs } = input;
  const result = { total: 0, count: 0, byAgent: 0, byCaller: 0 };
  for (let a = 0, c = 0; a < agent.length && c < caller.length; ) {
    const from = Math.max(agent[a]!, caller[c]!);
    const to = Math.min(agent[a + 1]!, caller[c + 1]!);
    if (to > from && to - from >= overtalkThresholdMs) {
      result.total += to - from;
      result.count++;
      if (agent[a]! > caller[c]!) result.byAgent++;
      else if (caller[c]! > agent[a]!) result.byCaller++;
    }
    if (agent[a + 1]! <= caller[c + 1]!) a += 2;
    else c += 2;
  }
  return result;
}

type Turns = { agent: number; caller: number; longestAgent: number; longestCaller: number; latencies: number[] };

/** A turn is one side's speech until the other side takes over; its pauses belong to it, and so does what the other says meanwhile. */
function turns(agent: readonly number[], caller: readonly number[]): Turns {
  const result: Turns = { agent: 0, caller: 0, longestAgent: 0, longestCaller: 0, latencies: [] };
  let a = 0;
  let c = 0;
  let side: "agent" | "caller" | undefined;
  let from = 0;
  let to = 0;
  const close = (): void => {
    if (side === "agent") result.longestAgent = Math.max(result.longestAgent, to - from);
    else if (side === "caller") result.longestCaller = Math.max(result.longestCaller, to - from);
  };
  while (a < agent.length || c < caller.length) {
    const next = c >= caller.length || (a < agent.length && agent[a]! <= caller[c]!) ? "agent" : "caller";
    const start = next === "agent" ? agent[a]! : caller[c]!;
    const end = next === "agent" ? agent[a + 1]! : caller[c + 1]!;
    if (next === "agent") a += 2;
    else c += 2;
    if (next === side) {
      to = Math.max(to, end);
      continue;
    }
    // "Mm-hm" while the other goes on is no turn.
    if (side !== undefined && end <= to) continue;
    close();
    // Answers that begin before the other has ended are overlaps, not waiting times.
    if (side === "caller" && next === "agent" && start >= to) result.latencies.push(start - to);
    result[next]++;
    side = next;
    from = start;
    to = end;
  }
  close();
  return result;
}

function median(values: number[]): number {
  if (values.length === 0) return -1;
  values.sort((x, y) => x - y);
  const middle = values.length >> 1;
  return Math.round(values.length % 2 === 1 ? values[middle]! : (values[middle - 1]! + values[middle]!) / 2);
}

/** Measures the whole call so far. Pure: the same intervals give the same figures. */
export function measureConversation(input: ConversationInput): Conversation {
  const agentSpeechMs = total(input.agent);
  const callerSpeechMs = total(input.caller);
  const quiet = silence(input);
  const both = overtalk(input);
  const turn = turns(input.agent, input.caller);
  const spoken = agentSpeechMs + callerSpeechMs;
  const { separate } = input;
  return {
    durationMs: input.durationMs,
    agentSpeechMs: separate ? agentSpeechMs : 0,
    callerSpeechMs: separate ? callerSpeechMs : 0,
    talkRatio: separate && spoken > 0 ? agentSpeechMs / spoken : -1,
    silenceMs: quiet.total,
    silenceCount: quiet.count,
    silenceThresholdMs: input.silenceThresholdMs,
    longestSilenceMs: quiet.longest,
    currentSilenceMs: quiet.current,
    overtalkMs: separate ? both.total : 0,
    overtalkCount: separate ? both.count : 0,
    overtalkThresholdMs: input.overtalkThresholdMs,
    agentInterruptions: separate ? both.byAgent : 0,
    callerInterruptions: separate ? both.byCaller : 0,
    agentTurns: separate ? turn.agent : 0,
    callerTurns: separate ? turn.caller : 0,
    longestAgentMonologueMs: separate ? turn.longestAgent : 0,
    longestCallerMonologueMs: separate ? turn.longestCaller : 0,
    responseLatencyMs: separate ? median(turn.latencies) : -1,
    agentWordsPerMinute: separate ? perMinute(input.agentWords, agentSpeechMs) : -1,
    callerWordsPerMinute: separate ? perMinute(input.callerWords, callerSpeechMs) : -1,
  };
}
