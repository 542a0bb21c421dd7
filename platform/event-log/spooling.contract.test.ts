import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TopicSpec } from "@earshot/proto/topics.ts";
import { afterEach, describe, expect, test } from "vitest";
import { eventLogContract } from "./contract.ts";
import { makeEmbeddedHarness } from "./embedded-harness.ts";
import type { EventLog, LogHealth } from "./port.ts";
import { makeSpoolingHarness, spoolOver } from "./spooling-harness.ts";

eventLogContract("spooling over embedded", makeSpoolingHarness);

const spec: TopicSpec = {
  name: "t.v1",
  partitions: 1,
  retentionMs: 3_600_000,
  retentionBytes: 64 * 1024 * 1024,
  cleanup: "delete",
  key: "callId",
  message: "Event",
  writtenBy: "test",
};
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const away: LogHealth = { state: "down", detail: "It is away." };

/** The log with a switch: away, it refuses what is appended and lets what is published wait. */
function switched(log: EventLog): EventLog & { isAway: boolean } {
  const made = Object.create(log) as EventLog & { isAway: boolean };
  return Object.assign(made, {
    isAway: false,
    start: async () => {},
    stop: async () => {},
    declare: (specs: readonly TopicSpec[]) => log.declare(specs),
    read: (topic: string, partition: number, from: number, max: number) => log.read(topic, partition, from, max),
    flush: () => log.flush(),
    health: () => (made.isAway ? away : log.health()),
    append: (topic: string, key: string, value: Uint8Array) => !made.isAway && log.append(topic, key, value),
    publish: async (topic: string, key: string, value: Uint8Array) => {
      const copy = value.slice();
      while (made.isAway) await new Promise((resolve) => setTimeout(resolve, 5));
      return log.publish(topic, key, copy);
    },
  });
}

describe("the spool", () => {
  const ends: (() => Promise<void>)[] = [];
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end();
  });

  async function setUp(maxBytes?: number) {
    const inner = await makeEmbeddedHarness();
    const log = switched(inner.log);
    const directory = await mkdtemp(join(tmpdir(), "earshot-spool-"));
    const spooling = spoolOver(log, directory, maxBytes);
    await spooling.start();
    await spooling.declare([spec]);
    ends.push(
      () => inner.dispose(),
      () => rm(directory, { recursive: true, force: true }),
      () => spooling.stop(50),
    );
    const texts = async () => (await inner.log.read(spec.name, 0, 0, 10_000)).map(({ value }) => new TextDecoder().decode(value));
    return { log, spooling, texts };
  }

  test("what is written while the log is away goes out in order on its return, before anything newer", async () => {
    const { log, spooling, texts } = await setUp();
    let i = 0;
    const write = (count: number) => {
      for (const end = i + count; i < end; i++) expect(spooling.append(spec.name, "k", bytes(`${i}`))).toBe(true);
    };
    write(100);
    log.isAway = true;
    expect(spooling.health(), "what comes now has room").toEqual({ state: "degraded", detail: away.detail });
    write(500);
    await spooling.publish(spec.name, "k", bytes(`${i++}`));
    expect(spooling.health()).toMatchObject({ state: "degraded", detail: expect.stringContaining("501 records wait in the spool") });
    log.isAway = false;
    write(300);
    await expect.poll(() => spooling.health().state, { timeout: 10_000 }).toBe("up");
    write(50);
    await spooling.flush();
    expect(await texts()).toEqual(Array.from({ length: i }, (_, n) => `${n}`));
  });

  test("at its limit it sheds, says so, and takes records again when there is room", async () => {
    const { log, spooling, texts } = await setUp(64 * 1024);
    log.isAway = true;
    let taken = 0;
    while (spooling.append(spec.name, "k", new Uint8Array(4000))) taken++;
    expect(taken * 4000).toBeLessThanOrEqual(64 * 1024);
    expect(taken).toBeGreaterThan(10);
    expect(spooling.health()).toMatchObject({ state: "down", detail: expect.stringContaining("records are being dropped") });
    log.isAway = false;
    await expect.poll(() => spooling.health(), { timeout: 10_000 }).toEqual({ state: "up", detail: "" });
    expect(spooling.append(spec.name, "k", bytes("after"))).toBe(true);
    await spooling.flush();
    expect((await texts()).length).toBe(taken + 1);
  });
});
