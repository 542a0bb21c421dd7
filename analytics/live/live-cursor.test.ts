import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLog } from "@earshot/platform/log/log.ts";
import fc from "fast-check";
import { expect, onTestFinished, test } from "vitest";
import { LiveCursors } from "./live-cursor.ts";

const offset = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });

test("any process with the same secret reads what another wrote", () => {
  fc.assert(
    fc.property(fc.array(fc.array(offset, { maxLength: 16 }), { maxLength: 8 }), (positions) => {
      expect(LiveCursors.withSecret("s").read("tenant", LiveCursors.withSecret("s").write("tenant", positions))).toEqual(positions);
    }),
  );
});

test("it is short: six topics of four partitions, a billion records each, in less than 250 characters", () => {
  const positions = Array.from({ length: 6 }, () => Array.from({ length: 4 }, () => 1e9));
  expect(LiveCursors.withSecret("s").write("t", positions).length).toBeLessThan(250);
});

test("changed, cut off, made up, of another tenant or secret: refused", () => {
  const cursors = LiveCursors.withSecret("s");
  const cursor = cursors.write("tenant", [[1, 2], [3]]);
  const changed = Buffer.from(cursor, "base64url");
  changed[20]! ^= 1;
  const wrong = ["", "x", "another-epoch.1", cursor.slice(0, -4), changed.toString("base64url"), "A".repeat(3000)];
  for (const text of wrong) expect(() => cursors.read("tenant", text)).toThrow(expect.objectContaining({ code: "cursor_refused" }));
  expect(() => cursors.read("other", cursor)).toThrow(expect.objectContaining({ code: "cursor_refused" }));
  expect(() => LiveCursors.withSecret("t").read("tenant", cursor)).toThrow(expect.objectContaining({ code: "cursor_refused" }));
});

test("without a secret they are sealed all the same, under a key that a restart keeps and nobody else has; it is said where others may be", async () => {
  const [mine, another] = [await mkdtemp(join(tmpdir(), "earshot-cursor-")), await mkdtemp(join(tmpdir(), "earshot-cursor-"))];
  onTestFinished(() => Promise.all([mine, another].map((directory) => rm(directory, { recursive: true }))).then(() => {}));
  const lines: string[] = [];
  const log = createLog({ level: "info", destination: { write: (line) => lines.push(line) } });
  const open = (dataDir: string, more: { secret?: string; sharedLog?: boolean } = {}) =>
    LiveCursors.open({ secret: "", dataDir, sharedLog: false, log, ...more });
  const cursor = (await open(mine)).write("tenant", [[7]]);
  expect((await open(mine)).read("tenant", cursor)).toEqual([[7]]);
  for (const cursors of [await open(another), await open(mine, { secret: "s" }), LiveCursors.withSecret("")])
    expect(() => cursors.read("tenant", cursor)).toThrow(expect.objectContaining({ code: "cursor_refused" }));
  expect(lines).toEqual([]);
  await open(mine, { secret: "s", sharedLog: true });
  expect(lines).toEqual([]);
  await open(mine, { sharedLog: true });
  expect(lines).toEqual([expect.stringContaining("EARSHOT_LIVE_CURSOR_SECRET is not set")]);
});
