import fc from "fast-check";
import { expect, test } from "vitest";
import { LiveCursors } from "./live-cursor.ts";

const offset = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });

test("any process with the same secret reads what another wrote", () => {
  fc.assert(
    fc.property(fc.array(fc.array(offset, { maxLength: 16 }), { maxLength: 8 }), (positions) => {
      expect(new LiveCursors("s").read("tenant", new LiveCursors("s").write("tenant", positions))).toEqual(positions);
    }),
  );
});

test("it is short: six topics of four partitions, a billion records each, in less than 250 characters", () => {
  const positions = Array.from({ length: 6 }, () => Array.from({ length: 4 }, () => 1e9));
  expect(new LiveCursors("").write("t", positions).length).toBeLessThan(250);
});

test("changed, cut off, made up, of another tenant or secret: refused", () => {
  const cursors = new LiveCursors("s");
  const cursor = cursors.write("tenant", [[1, 2], [3]]);
  const changed = Buffer.from(cursor, "base64url");
  changed[20]! ^= 1;
  const wrong = ["", "x", "another-epoch.1", cursor.slice(0, -4), changed.toString("base64url"), "A".repeat(3000)];
  for (const text of wrong) expect(() => cursors.read("tenant", text)).toThrow(expect.objectContaining({ code: "cursor_refused" }));
  expect(() => cursors.read("other", cursor)).toThrow(expect.objectContaining({ code: "cursor_refused" }));
  expect(() => new LiveCursors("t").read("tenant", cursor)).toThrow(expect.objectContaining({ code: "cursor_refused" }));
});
