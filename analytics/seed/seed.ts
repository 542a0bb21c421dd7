/**
 * `npm run seed -- list | doctor | <scenario> [--tenant ID] [--calls-per-day N]` and `large --calls N`: believable history, made the same in
 * every run, read back after it was written.
 */
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { systemClock } from "@earshot/platform/clock/clock.ts";
import { readSettings } from "@earshot/platform/config/settings.ts";
import { createLog } from "@earshot/platform/log/log.ts";
import { createMetrics } from "@earshot/platform/metrics/metrics.ts";
import { platformSettings } from "@earshot/platform/settings.ts";
import { callQuery } from "@earshot/proto/api/calls.ts";
import { EarshotError } from "@earshot/proto/errors.ts";
import type { Event } from "@earshot/proto/event.ts";
import { type TenantId, tenantId } from "@earshot/proto/ids.ts";
import { apiSettings } from "../api/settings.ts";
import type { ClickHouseCallStore } from "../store/clickhouse/call-store.ts";
import { openCallStore, openDirectoryStore } from "../store/open.ts";
import { postgresSettings } from "../store/postgres/settings.ts";
import { storeSettings } from "../store/settings.ts";
import { examine } from "./doctor.ts";
import { seedLarge } from "./large.ts";
import { daysOf, scenarios } from "./scenarios.ts";

const usage = `npm run seed -- list                      the scenarios
npm run seed -- doctor                    look for inconsistent data
npm run seed -- <scenario>                make a scenario's calls
    --tenant ID          for this tenant (default: the first one)
    --calls-per-day N    more or fewer of them
npm run seed -- large --calls N           N calls and segments made inside ClickHouse, for measuring`;

async function main(): Promise<number> {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: { tenant: { type: "string" }, "calls-per-day": { type: "string" }, calls: { type: "string" }, help: { type: "boolean" } },
  });
  const [what = "list"] = positionals;
  if (values.help === true || what === "list") {
    for (const [name, scenario] of Object.entries(scenarios)) console.log(`${name.padEnd(10)} ${scenario.describe}`);
    console.log(`${"large".padEnd(10)} --calls N calls and as many segments, plain, for measuring\n\n${usage}`);
    return 0;
  }
  if (what !== "doctor" && what !== "large" && !Object.hasOwn(scenarios, what)) {
    console.error(`There is no scenario "${what}".\n\n${usage}`);
    return 2;
  }
  const { values: settings, faults } = readSettings(
    { platform: platformSettings, store: storeSettings, postgres: postgresSettings, api: apiSettings },
    process.env,
  );
  // Settings of the services that do not run here are no concern of the seeder.
  const wrong = faults.filter(({ problem }) => problem !== "no such setting");
  for (const { env, problem, expects } of wrong) console.error(`${env}: ${problem} (${expects})`);
  if (wrong.length > 0) return 2;
  const dataDir = resolve(settings.platform.dataDir);
  const log = createLog({ level: "warn" });
  const store = openCallStore({ settings: settings.store, dataDir, log, metrics: createMetrics(), clock: systemClock });
  await store.start();
  try {
    if (what === "doctor") return await doctor(store);
    const tenant = values.tenant === undefined ? await firstTenant() : tenantId(values.tenant);
    if (what === "large") return await large(store, tenant, positive(values.calls ?? "1000000"));
    return await scenario(store, what, tenant, values["calls-per-day"] === undefined ? undefined : positive(values["calls-per-day"]));
  } finally {
    await store.stop(10_000);
  }

  /** The directory is started for this alone; a very first start makes the tenant, as the server would. */
  async function firstTenant(): Promise<TenantId> {
    const directory = openDirectoryStore({ settings: settings.store, postgres: settings.postgres, dataDir, log, clock: systemClock });
    await directory.start();
    try {
      const { adminPassword, adminApiKey } = settings.api;
      const { oneTimePassword } = await directory.bootstrap({ adminPassword, adminApiKey });
      if (oneTimePassword !== undefined)
        console.log(`First start: log in as admin@localhost with the one-time password ${oneTimePassword}`);
      const [first] = await directory.tenants();
      if (first === undefined)
        throw new EarshotError("not_found", "no_tenant", "There is no tenant to seed for.", { remedy: "Start Earshot once." });
      return first.id;
    } finally {
      await directory.stop(10_000);
    }
  }

  async function scenario(into: ClickHouseCallStore, name: string, tenant: TenantId, perDay: number | undefined): Promise<number> {
    const started = performance.now();
    let made = 0;
    let events = 0;
    let words = 0;
    let last: Event | undefined;
    let batch: Event[] = [];
    const flush = async () => {
      await into.write(batch);
      batch = [];
    };
    for (const day of daysOf(name, tenant, Date.now(), perDay ?? scenarios[name]!.callsPerDay)) {
      for (const call of day) {
        made++;
        events += call.length;
        words += call.filter((event) => event.payload.case === "transcriptSegment").length;
        last = call[0];
        // Whole calls only: one that comes in pieces is written in pieces too.
        batch.push(...call);
        if (batch.length >= settings.store.ingestBatchRows) await flush();
      }
    }
    await flush();
    console.log(`Wrote ${made} calls, ${words} segments, ${events} events in ${((performance.now() - started) / 1000).toFixed(1)} s.`);
    const back = await readBack(into, tenant, name);
    const complete = back.calls === made && back.segments === words;
    console.log(`Read back ${back.calls} calls and ${back.segments} segments: ${complete ? "complete" : "NOT COMPLETE"}.`);
    const port = settings.api.httpPort;
    console.log(
      `\nSee them when Earshot runs:\n  http://localhost:${port}/live\n  http://localhost:${port}/calls\n  http://localhost:${port}/calls/${last?.callId ?? ""}`,
    );
    return complete ? await doctor(into) : 1;
  }

  /** Through the store's own reads, as the API sees them. */
  async function readBack(from: ClickHouseCallStore, tenant: TenantId, name: string): Promise<{ calls: number; segments: number }> {
    let calls = 0;
    let segments = 0;
    for (let page = 1; ; page++) {
      const { data } = await from.listCalls(tenant, callQuery.parse({ page, perPage: 200, trunkId: "seed" }), "UTC");
      const ours = data.filter((call) => call.id.startsWith(`seed-${name}-2`));
      calls += ours.length;
      // Fifty at a time: each is three queries, and the store lets so many wait.
      for (let i = 0; i < ours.length; i += 50) {
        const transcripts = await Promise.all(ours.slice(i, i + 50).map((call) => from.transcript(tenant, call.id)));
        for (const transcript of transcripts) segments += transcript.length;
      }
      if (data.length < 200) return { calls, segments };
    }
  }
}

async function large(store: ClickHouseCallStore, tenant: TenantId, calls: number): Promise<number> {
  const firstDayMs = Math.floor(Date.now() / 86_400_000 - 30) * 86_400_000;
  await seedLarge(store.connection(), { calls, tenants: [tenant], days: 30, firstDayMs }, (made) =>
    console.log(`${made} of ${calls} calls`),
  );
  const { total } = await store.listCalls(tenant, callQuery.parse({ perPage: 1 }), "UTC");
  console.log(`The tenant has ${total} calls now.`);
  return total >= calls ? 0 : 1;
}

async function doctor(store: ClickHouseCallStore): Promise<number> {
  const findings = await examine(store.connection());
  const bad = findings.filter(({ rows }) => rows > 0);
  for (const { check, rows } of bad) console.log(`  ${check}: ${rows}`);
  console.log(
    bad.length === 0
      ? `Doctor: ${findings.length} checks, nothing wrong.`
      : `Doctor: ${bad.length} of ${findings.length} checks found something.`,
  );
  return bad.length === 0 ? 0 : 1;
}

function positive(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1)
    throw new EarshotError("invalid_request", "not_a_number", `"${text}" is not a whole number above 0.`);
  return value;
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof EarshotError)) throw error;
  console.error(`${error.message}${error.remedy === "" ? "" : `\n${error.remedy}`}`);
  process.exitCode = 1;
}
