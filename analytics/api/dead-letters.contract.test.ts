/** Records that could not be handled, from the consumer that failed to the person who puts it right, over REST and the real event log. */

import type { DeadLetter, DeadLetterDetail } from "@earshot/proto/api/queue.ts";
import { EarshotError } from "@earshot/proto/errors.ts";
import { decodeEvent, encodeEvent, eventSchemaVersion } from "@earshot/proto/event.ts";
import { topics } from "@earshot/proto/topics.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { eventually, startTestApi, type TestApi } from "./testing/test-api.ts";

let api: TestApi;
beforeEach(async () => {
  api = await startTestApi({ settings: { deadLettersListed: 20 } });
});
afterEach(() => api?.stop());

type List = { data: DeadLetter[]; total: number };
const list = async (query = "", key = "first-key"): Promise<List> =>
  (await (await api.request(`/api/v1/queue${query}`, { key })).json()) as List;
const post = (letter: { id: string }, act: string, key = "first-key") =>
  api.request(`/api/v1/queue/${encodeURIComponent(letter.id)}/${act}`, { method: "POST", key });

/** A consumer of ledger.v1 that refuses what `refuses` says. */
async function consume(refuses: () => boolean): Promise<string[]> {
  const handled: string[] = [];
  await api.eventLog.subscribe({
    topics: [topics.ledger.name],
    group: "test",
    from: "earliest",
    handle: (batch) => {
      for (const record of batch) {
        if (refuses()) throw new EarshotError("corrupt", "test_poison", "It cannot be handled.");
        handled.push(decodeEvent(record.value).id);
      }
    },
  });
  return handled;
}

const stage = (id: string, tenantId: string, schemaVersion = 0) =>
  encodeEvent({
    id,
    tenantId,
    callId: "call-1",
    occurredAtMs: 1,
    schemaVersion,
    payload: { case: "stageReached", value: { stage: "score", outcome: "done" } },
  });

test("a poison record is listed, read, replayed once the cause is mended, and not a second time", async () => {
  let poisonous = true;
  const handled = await consume(() => poisonous);
  await api.eventLog.publish(topics.ledger.name, "call-1", stage("e1", api.tenants.first));
  const { data } = await eventually(list, ({ total }) => total === 1);
  expect(data[0]).toMatchObject({
    topic: "ledger.v1",
    key: "call-1",
    group: "test",
    errorCode: "test_poison",
    errorCategory: "corrupt",
    claimed: true,
    state: "waiting",
  });
  const detail = (await (await api.request(`/api/v1/queue/${data[0]!.id}`)).json()) as DeadLetterDetail;
  expect(detail).toMatchObject({ message: "", event: { id: "e1", stageReached: { stage: "score" } } });
  expect(Buffer.from(detail.hex, "hex").equals(Buffer.from(stage("e1", api.tenants.first)))).toBe(true);

  // Replayed too early it fails again, and is listed anew.
  expect((await post(data[0]!, "replay")).status).toBe(200);
  const again = await eventually(
    () => list("?state=waiting"),
    ({ total, data: waiting }) => total === 1 && waiting[0]!.id !== data[0]!.id,
  );
  poisonous = false;
  expect(await (await post(again.data[0]!, "replay")).json()).toMatchObject({
    state: "replayed",
    settledBy: expect.stringMatching(/^key:/),
  });
  await eventually(
    async () => handled,
    (ids) => ids.length === 1,
  );
  expect(handled).toEqual(["e1"]);
  const twice = await post(again.data[0]!, "replay");
  expect([twice.status, ((await twice.json()) as { error: { code: string } }).error.code]).toEqual([409, "dead_letter_settled"]);
  expect((await list("?state=waiting")).total).toBe(0);
  const audit = (await (await api.request("/api/v1/audit")).json()) as { data: { action: string; subject: string }[] };
  expect(audit.data.filter(({ action }) => action === "dead_letter.replay")).toHaveLength(2);
});

test("an event of a newer schema is parked, not dropped, and says what to do", async () => {
  const handled = await consume(() => false);
  await api.eventLog.publish(topics.ledger.name, "call-1", stage("newer", api.tenants.first, eventSchemaVersion + 1));
  const { data } = await eventually(list, ({ total }) => total === 1);
  expect(data[0]!.errorCode).toBe("event_schema_newer");
  const detail = (await (await api.request(`/api/v1/queue/${data[0]!.id}`)).json()) as DeadLetterDetail;
  expect([detail.message, detail.remedy]).toEqual([expect.stringContaining("schema version 2"), expect.stringContaining("upgrade")]);
  expect(handled).toEqual([]);
  expect(await (await post(data[0]!, "discard")).json()).toMatchObject({ state: "discarded" });
  expect((await post(data[0]!, "replay")).status).toBe(409);
});

test("tenants see their own; what is nobody's is the installation's; supervisors see none of it", async () => {
  await consume(() => true);
  await api.eventLog.publish(topics.ledger.name, "call-1", stage("mine", api.tenants.first));
  await api.eventLog.publish(topics.ledger.name, "call-1", stage("theirs", api.tenants.second));
  await api.eventLog.publish(topics.ledger.name, "call-1", Buffer.from([0xff, 0xff, 0xff]));
  await eventually(list, ({ total }) => total === 2);
  const theirs = (
    await eventually(
      () => list("", "second-key"),
      ({ total }) => total === 1,
    )
  ).data[0]!;
  expect((await list()).data.map(({ claimed }) => claimed).sort()).toEqual([false, true]);
  for (const path of ["", "/replay", "/discard"]) {
    const answer = await api.request(`/api/v1/queue/${theirs.id}${path}`, { method: path === "" ? "GET" : "POST" });
    expect([path, answer.status]).toEqual([path, 404]);
  }
  const { cookie } = await api.login("supervisor@example.test");
  expect((await api.request("/api/v1/queue", { cookie })).status).toBe(403);
  expect((await api.request("/api/v1/queue", { key: null })).status).toBe(401);
  for (const id of ["nothing", "..%2f..", "%00", "x".repeat(150)]) expect((await api.request(`/api/v1/queue/${id}`)).status).toBe(404);
});

test("the list is bounded: the newest are kept", async () => {
  await consume(() => true);
  for (let i = 0; i < 30; i++) await api.eventLog.publish(topics.ledger.name, "call-1", stage(`e${i}`, api.tenants.first));
  const { data } = await eventually(
    () => list("?perPage=100"),
    ({ data: letters, total }) => total === 20 && letters[0]!.offset === 29,
  );
  expect(data.map(({ offset }) => offset)).toEqual(Array.from({ length: 20 }, (_, i) => 29 - i));
});
