/** The settings' share of the fake API: plain lists in memory. */
import type { Extension, PhraseRule, Trunk } from "@earshot/proto/api/administration.ts";
import type { DeadLetter } from "@earshot/proto/api/queue.ts";

interface Row {
  id: string;
  [field: string]: unknown;
}

export interface FakeSettings {
  tenant: { id: string; name: string; timezone: string; retentionDays: number };
  lists: Record<string, Row[]>;
}

type Json = (status: number, body: unknown) => unknown;
type Fail = (status: number, code: string, message: string, remedy: string) => unknown;

const trunk: Trunk = {
  id: "trunk-1",
  name: "Head office PBX",
  enabled: true,
  sourceNetworks: ["10.20.0.0/24", "127.0.0.0/8"],
  tlsPeers: [],
  requestUsers: [],
  requestHosts: [],
  lenientSiprec: true,
  acceptWithoutMetadata: false,
  maxCalls: 200,
  labelOrder: "agent-first",
  requireSrtp: false,
  queue: "",
};

const letter = (offset: number, atMs: number, more: Partial<DeadLetter>): Row => ({
  id: `dead-${more.group}-${more.topic}-0-${offset}`,
  at: new Date(atMs).toISOString(),
  partition: 0,
  offset,
  errorCategory: "corrupt",
  attempts: 1,
  bytes: 120,
  claimed: true,
  state: "waiting",
  settledBy: null,
  settledAt: null,
  ...more,
});

export function fakeSettings(): FakeSettings {
  const now = Date.now();
  const extension = (number: string, agentName: string, team: string): Extension => ({
    id: `ext-${number}`,
    number,
    agentName,
    agentId: `a-${number}`,
    team,
  });
  const rule = (id: string, name: string, kind: PhraseRule["kind"], phrases: string[], severity: PhraseRule["severity"]): PhraseRule => ({
    id,
    name,
    enabled: true,
    kind,
    phrases,
    speaker: kind === "said" ? "caller" : "agent",
    withinSeconds: 15,
    severity,
  });
  return {
    tenant: { id: "tenant-1", name: "Northwind Energy", timezone: "Europe/Berlin", retentionDays: 90 },
    lists: {
      trunks: [
        trunk,
        {
          ...trunk,
          id: "trunk-2",
          name: "Branch SBC",
          sourceNetworks: [],
          tlsPeers: ["sbc.branch.example"],
          requireSrtp: true,
          maxCalls: 0,
          enabled: false,
        },
      ],
      extensions: [
        extension("2101", "Dana Whitfield", "Billing"),
        extension("2102", "Marcus Oyelaran", "Service"),
        extension("2103", "Priya Raman", "Service"),
        extension("2104", "Jonas Lindqvist", "Sales"),
      ],
      "phrase-rules": [
        rule("rule-1", "Threatens to cancel", "said", ["cancel the contract", "cancel the whole contract"], "critical"),
        rule("rule-2", "Recording not announced", "not_said", ["this call is recorded"], "warning"),
        rule("rule-3", "Says thank you", "said", ["thank you"], "info"),
      ],
      "api-keys": [
        {
          id: "key-1",
          name: "Warehouse export",
          prefix: "ek_4f2a",
          createdAt: new Date(now - 9e8).toISOString(),
          lastUsedAt: new Date(now - 4e5).toISOString(),
        },
      ],
      audit: Array.from({ length: 40 }, (_, index) => ({
        id: `audit-${index}`,
        at: new Date(now - index * 2_700_000).toISOString(),
        actor: index % 3 === 0 ? "system" : "admin@localhost",
        ...[
          { action: "call.listen.start", subject: "call-1004", details: {} },
          { action: "call.recording.listen", subject: "call-1003", details: { source: "192.0.2.30" } },
          {
            action: "trunk.change",
            subject: "0a69ea95-74d4-4e87-b29a-f27fb4c378c0",
            details: {
              before: { name: "Head office PBX", maxCalls: 100, sourceNetworks: ["10.20.0.0/24"] },
              after: { name: "Head office PBX", maxCalls: 200, sourceNetworks: ["10.20.0.0/24", "127.0.0.0/8"] },
            },
          },
          { action: "call.speakers", subject: "call-1010", details: { legs: [] } },
          { action: "session.begin", subject: "c31f6d86-61ef-4062-af92-ec161a117d42", details: { source: "192.0.2.30" } },
          {
            action: "dead_letter.replay",
            subject: "letter-9",
            details: { topic: "transcripts.v1", key: "call-1001", errorCode: "timeout" },
          },
        ][index % 6],
      })),
      queue: [
        letter(0, now - 130_000, { topic: "transcripts.v1", group: "ingest", errorCode: "event_schema_newer", key: "call-1003" }),
        letter(1, now - 140_000, {
          topic: "insights.v1",
          group: "ingest",
          errorCategory: "bug",
          errorCode: "unexpected_TypeError",
          key: "call-1004",
        }),
        letter(2, now - 9_000_000, {
          topic: "media.v1",
          group: "media-pipeline",
          errorCode: "media_undecodable",
          claimed: false,
          key: "?",
        }),
        letter(3, now - 90_000_000, {
          topic: "calls.v1",
          group: "ingest",
          errorCode: "event_payload_unknown",
          key: "call-1009",
          state: "replayed",
          settledBy: "admin@localhost",
          settledAt: new Date(now - 80_000_000).toISOString(),
        }),
      ],
      refusals: [
        {
          id: "r1",
          sourceAddress: "10.31.4.7",
          transport: "UDP",
          requestUri: "sip:rec@192.0.2.14",
          userAgent: "OtherSBC 9.1",
          reason: "unknown source",
          remedy: "",
          trunk: "",
          status: 403,
          lastAt: new Date(now - 40_000).toISOString(),
          count: 12,
        },
        {
          id: "r2",
          sourceAddress: "203.0.113.50",
          transport: "TCP",
          requestUri: "sip:100@192.0.2.14",
          userAgent: "friendly-scanner",
          reason: "unknown source",
          remedy: "",
          trunk: "",
          status: 403,
          lastAt: new Date(now - 3_600_000).toISOString(),
          count: 340,
        },
        {
          id: "r3",
          sourceAddress: "10.20.0.12",
          transport: "UDP",
          requestUri: "sip:rec@192.0.2.14",
          userAgent: "OtherSBC 9.1",
          reason: "the trunk has as many calls as it may",
          remedy: "Raise “Calls at once” of the trunk.",
          trunk: "Head office PBX",
          status: 503,
          lastAt: new Date(now - 90_000).toISOString(),
          count: 57,
        },
      ],
    },
  };
}

interface Asked {
  path: string[];
  method: string;
  body: Record<string, unknown>;
  text: string;
  query: URLSearchParams;
}

export function settingsAnswer(settings: FakeSettings, asked: Asked, json: Json, fail: Fail): unknown {
  const [name = "", id, sub] = asked.path;
  if (name === "tenant") {
    if (asked.method !== "GET") Object.assign(settings.tenant, asked.body);
    return json(200, settings.tenant);
  }
  const list = settings.lists[name];
  if (list === undefined) return fail(404, "not_found", "There is nothing at this address.", "");
  if (name === "queue") return queueAnswer(list, asked, json, fail);
  if (name === "extensions" && id === "import") return importExtensions(list, asked.text, json);
  if (asked.method === "GET" && id === undefined) {
    const perPage = Number(asked.query.get("perPage") ?? 25);
    const first = (Number(asked.query.get("page") ?? 1) - 1) * perPage;
    const q = asked.query.get("q")?.toLowerCase() ?? "";
    const found = q === "" ? list : list.filter((row) => JSON.stringify(row).toLowerCase().includes(q));
    return json(200, { data: found.slice(first, first + perPage), total: found.length });
  }
  if (asked.method === "POST" && id === undefined) {
    const row: Row = { ...defaults(name), ...asked.body, id: `${name}-${list.length + 1}-${Date.now()}` };
    list.push(row);
    return json(201, name === "api-keys" ? { ...row, key: "ek_9c1b7e02d4a84f5bb0b6f6d1a9d3e71c" } : row);
  }
  const index = list.findIndex((row) => row.id === id);
  const row = list[index];
  if (row === undefined || sub !== undefined) return fail(404, "not_found", "It does not exist any more.", "Open the list again.");
  if (asked.method === "DELETE") {
    list.splice(index, 1);
    return json(204, undefined);
  }
  if (asked.method !== "GET") Object.assign(row, asked.body);
  return json(200, row);
}

function queueAnswer(list: Row[], { path: [, id, act], method, query }: Asked, json: Json, fail: Fail): unknown {
  const row = list.find((one) => one.id === decodeURIComponent(id ?? ""));
  if (id === undefined) {
    const state = query.get("state");
    const found = list.filter((one) => state === null || one.state === state);
    return json(200, { data: found, total: found.length });
  }
  if (row === undefined) return fail(404, "dead_letter_unknown", "There is no such dead letter.", "Open the list again.");
  if (method === "GET") {
    const newer = row.errorCode === "event_schema_newer";
    return json(200, {
      ...row,
      message: newer ? "An event is of schema version 2." : "",
      remedy: newer ? "This Earshot knows version 1: upgrade it, then replay the dead letter." : "",
      event:
        newer || row.topic === "media.v1"
          ? null
          : { id: "e-1", tenantId: "tenant-1", callId: row.key, alert: { ruleName: "Threatens to cancel" } },
      hex: "0a24".repeat(60),
    });
  }
  if (row.state !== "waiting")
    return fail(409, "dead_letter_settled", `This record was ${row.state} already.`, "Where it failed again, it is listed anew.");
  Object.assign(row, {
    state: act === "replay" ? "replayed" : "discarded",
    settledBy: "admin@localhost",
    settledAt: new Date().toISOString(),
  });
  return json(200, row);
}

function defaults(name: string): Record<string, unknown> {
  if (name === "trunks") return { ...trunk };
  if (name === "api-keys") return { prefix: "ek_9c1b", createdAt: new Date().toISOString(), lastUsedAt: null };
  if (name === "phrase-rules") return { enabled: true, speaker: "any", withinSeconds: 30, severity: "warning" };
  return { agentId: "", team: "" };
}

function importExtensions(list: Row[], text: string, json: Json): unknown {
  const errors: { line: number; text: string; problem: string }[] = [];
  let imported = 0;
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (index === 0 || line.trim() === "") continue;
    const [number = "", agentName = "", agentId = "", team = ""] = line.split(",");
    if (number === "" || agentName === "") {
      errors.push({ line: index + 1, text: line, problem: "number and agentName are needed" });
      continue;
    }
    imported += 1;
    list.push({ id: `ext-${number}-${index}`, number, agentName, agentId, team });
  }
  return json(200, { created: imported, updated: 0, errors });
}
