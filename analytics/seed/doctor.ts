/** Looks for what must not be in the column store, over all tenants. Reads only. */
import type { ColumnStoreConnection } from "../store/clickhouse/column-store.ts";

export type Finding = { readonly check: string; readonly rows: number };

const allCalls =
  "(SELECT tenant, call_id, started_at, ended_at, duration_ms, alert_count, caller_sentiment, agent_sentiment, mos, attention FROM calls " +
  "WHERE (tenant, call_id) NOT IN (SELECT tenant, call_id FROM calls_open WHERE in_settled = 1) UNION ALL " +
  "SELECT tenant, call_id, started_at, ended_at, duration_ms, alert_count, caller_sentiment, agent_sentiment, mos, attention FROM calls_open FINAL)";

const orphans = (table: string) =>
  `SELECT count() AS bad FROM ${table} WHERE (tenant, call_id) NOT IN (SELECT tenant, call_id FROM ${allCalls})`;

const checks: Readonly<Record<string, string>> = {
  "a call stands twice": `SELECT count() - uniqExact(tenant, call_id) AS bad FROM ${allCalls}`,
  "a call ends before it starts": `SELECT count() AS bad FROM ${allCalls} WHERE ended_at != 0 AND ended_at < started_at`,
  "a call has been up for more than a day": `SELECT count() AS bad FROM ${allCalls} WHERE ended_at = 0 AND started_at != 0 AND started_at < now() - INTERVAL 1 DAY`,
  "a call's start is in the future": `SELECT count() AS bad FROM ${allCalls} WHERE started_at > now() + INTERVAL 1 HOUR`,
  "a sentiment, MOS or attention score is out of its range": `SELECT count() AS bad FROM ${allCalls} WHERE abs(ifNull(caller_sentiment, 0)) > 1 OR abs(ifNull(agent_sentiment, 0)) > 1 OR ifNull(mos, 4) NOT BETWEEN 1 AND 4.5 OR attention NOT BETWEEN 0 AND 100`,
  "a call counts other alerts than it has": `SELECT count() AS bad FROM ${allCalls} AS c LEFT JOIN (SELECT tenant, call_id, uniqExact(alert_id) AS alerts FROM alerts GROUP BY tenant, call_id) AS a ON a.tenant = c.tenant AND a.call_id = c.call_id WHERE c.alert_count != a.alerts`,
  "words of a call that is not there": orphans("segments"),
  "sentiment of a call that is not there": orphans("sentiments"),
  "alerts of a call that is not there": orphans("alerts"),
  "ledger of a call that is not there": orphans("ledger"),
  "a segment begins after its call has ended": `SELECT count() AS bad FROM segments AS s INNER JOIN ${allCalls} AS c ON c.tenant = s.tenant AND c.call_id = s.call_id WHERE c.duration_ms IS NOT NULL AND s.start_ms > c.duration_ms + 10000`,
  "a segment ends before it starts": "SELECT count() AS bad FROM segments FINAL WHERE end_ms < start_ms",
  "sentiment of a segment that is not there":
    "SELECT count() AS bad FROM sentiments WHERE (tenant, call_id, segment_id) NOT IN (SELECT tenant, call_id, segment_id FROM segments)",
};

export async function examine(connection: ColumnStoreConnection): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const [check, sql] of Object.entries(checks)) {
    const [row] = await connection.query<{ bad: number }>(`SELECT toFloat64(bad) AS bad FROM (${sql})`, {});
    findings.push({ check, rows: row?.bad ?? 0 });
  }
  return findings;
}
