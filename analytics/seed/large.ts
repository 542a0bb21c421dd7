/** Millions of calls and segments made inside ClickHouse, for the benches: deterministic by number. */
import { setTimeout } from "node:timers/promises";
import type { ColumnStoreConnection } from "../store/clickhouse/column-store.ts";
import { bulkWords } from "./words.ts";

export type LargeOptions = {
  /** Calls in all; as many segments. */
  readonly calls: number;
  readonly tenants: readonly string[];
  readonly days: number;
  /** Start of the first day, Unix ms. */
  readonly firstDayMs: number;
};

/** One insert makes no more; calls are made in order of time, as they would have come. */
const perInsert = 500_000;
/** Of the newest hundredth, as settling moves them: a table in use has small parts too. */
const perLateInsert = 5000;

/** The older calls lie in one part per month, as the store merges them when they are a day old; the newest hundredth in whatever parts it came. */
export async function seedLarge(connection: ColumnStoreConnection, options: LargeOptions, report: (calls: number) => void): Promise<void> {
  const late = Math.floor(options.calls * 0.99);
  for (let from = 0; from < options.calls; ) {
    const count = from < late ? Math.min(perInsert, late - from) : Math.min(perLateInsert, options.calls - from);
    await connection.command(callsSql(options, from, count));
    await connection.command(segmentsSql(options, from, count));
    from += count;
    if (from === late) await mergeAll(connection);
    report(from);
  }
}

const mergeTries = 30;

/** Merges `calls` by month, as far as a table at rest is. What is being merged this moment cannot be merged further, hence the tries. */
async function mergeAll(connection: ColumnStoreConnection): Promise<void> {
  // Parts with and without sums are never merged with one another.
  await connection.command(
    "ALTER TABLE calls MATERIALIZE PROJECTION per_quarter, MATERIALIZE PROJECTION names SETTINGS mutations_sync = 1",
  );
  for (let left = mergeTries; ; left--) {
    try {
      // Without this setting the engine says nothing where it did nothing.
      await connection.command("OPTIMIZE TABLE calls FINAL SETTINGS optimize_throw_if_noop = 1");
      return;
    } catch (error) {
      if (left === 0) throw error;
      await setTimeout(1000);
    }
  }
}

const literal = (values: readonly string[]) => `[${values.map((value) => `'${value.replace(/[^\w.+@ -]/g, "")}'`).join(", ")}]`;

/** A number of 0..1 that belongs to the call and to what it is for. */
const part = (salt: string) => `(sipHash64(number, '${salt}') % 1000003 / 1000003)`;
const callIdSql = "concat('b', lower(hex(MD5(toString(number)))))";
const tenantSql = (tenants: readonly string[]) => `${literal(tenants)}[number % ${tenants.length} + 1]`;

const vocabularySql = literal(bulkWords);
// Squared: the first words of the list are the frequent ones. One word in twelve is a number that hardly any other call has.
const wordSql =
  `if(intHash64(number * 64 + x) % 12 = 0, toString(intHash64(number * 64 + x + 32) % 200000), ` +
  `vocabulary[toUInt32(floor(${bulkWords.length} * pow(bitShiftRight(intHash64(number * 64 + x), 20) % 1000003 / 1000003, 2))) + 1])`;
/** What is said in the call, in its one segment. */
const textSql = `arrayStringConcat(arrayMap(x -> ${wordSql}, range(6 + sipHash64(number, 'length') % 12)), ' ')`;

function callsSql(options: LargeOptions, from: number, count: number): string {
  // Within the day: the sum of two evens is a hill around midday, from seven to nineteen.
  const startedMs =
    `${options.firstDayMs} + intDiv(number * ${options.days}, ${options.calls}) * 86400000 ` +
    `+ toInt64(25200000 + 43200000 * (${part("a")} + ${part("b")}) / 2)`;
  const agents = literal(Array.from({ length: 200 }, (_, index) => `Agent ${index + 1}`));
  const queues = literal(["Service", "Sales", "Billing", "Technical support", "Cancellations", "Complaints", "Reception", "Partners"]);
  return `
INSERT INTO calls (tenant, newest_first, call_id, version, started_at, ended_at, duration_ms, termination, direction, queue, trunk_id, agent,
  caller, agent_sentiment, caller_sentiment, attention, mos, alert_count, card, said)
WITH ${vocabularySql} AS vocabulary, ${startedMs} AS started_ms,
  toUInt32(15000 - 240000 * log(1 - 0.98 * ${part("duration")})) AS lasted_ms,
  ${agents}[sipHash64(number, 'agent') % 200 + 1] AS agent_name,
  concat('+49', toString(30000000 + sipHash64(number, 'caller') % 60000000)) AS caller_number,
  toFloat32(round(greatest(-1, least(1, (${part("s1")} + ${part("s2")} + ${part("s3")}) / 1.5 - 0.95)), 3)) AS sentiment
SELECT ${tenantSql(options.tenants)}, -started_ms, ${callIdSql} AS id, 4, fromUnixTimestamp64Milli(started_ms, 'UTC'),
  fromUnixTimestamp64Milli(started_ms + lasted_ms, 'UTC'), lasted_ms,
  multiIf(${part("end")} < 0.97, 'bye', ${part("end")} < 0.985, 'media_timeout', 'session_timer') AS ended_by,
  multiIf(${part("direction")} < 0.8, 'inbound', 'outbound') AS way, ${queues}[sipHash64(number, 'queue') % 8 + 1] AS queue_name, 'trunk-1',
  agent_name, caller_number, toFloat32(round(0.1 + sentiment / 3, 3)) AS agent_mood, sentiment AS caller_mood,
  toFloat32(round(100 * pow(${part("attention")}, 4))) AS attention_score, toFloat32(round(4.41 - 2.5 * pow(${part("mos")}, 6), 2)) AS line_mos,
  toUInt16(${part("alert")} < 0.06) AS alerts_raised,
  concat('["', id, '",', toString(started_ms), ',', toString(started_ms + lasted_ms), ',', toString(started_ms), ',"', ended_by, '","","', way, '","', queue_name,
    '","trunk-1","Main trunk","siprec",0,', toString(agent_mood), ',', toString(caller_mood), ',', toString(attention_score), ',',
    toString(round(0.3 + 0.4 * ${part("talk")}, 3)), ',', toString(line_mos), ',', toString(alerts_raised), ',0,"ddddd","pbx-', toString(number), '","',
    toString(number), '@pbx","192.0.2.10:5060","PBX/1.0",', toString(intDiv(lasted_ms, 10)), ',0,[[0,"1","agent","extension-map","","sip:',
    toString(100 + sipHash64(number, 'agent') % 200), '@pbx","', agent_name, '","PCMA","active"],[1,"2","caller","extension-map","","sip:', caller_number,
    '@pbx","","PCMA","active"]]]'), ${textSql}
FROM numbers(${from}, ${count})
SETTINGS max_threads = 2, max_insert_threads = 1`;
}

function segmentsSql(options: LargeOptions, from: number, count: number): string {
  return `
INSERT INTO segments (tenant, call_id, start_ms, segment_id, revision, leg, end_ms, text, engine, engine_version, language, confidence)
WITH ${vocabularySql} AS vocabulary, ${callIdSql} AS id, toUInt32(2000 + sipHash64(number, 'start') % 20000) AS starts_ms
SELECT ${tenantSql(options.tenants)}, id, starts_ms, concat(id, '-', toString(number % 2), '-', toString(starts_ms)), 1, number % 2, starts_ms + 4000,
  ${textSql}, 'bulk', '1', 'en', 0.9
FROM numbers(${from}, ${count})
SETTINGS max_threads = 2, max_insert_threads = 1`;
}
