import { EarshotError } from "@earshot/proto/errors.ts";
import { expect, test } from "vitest";
import { createLog } from "./log.ts";

const words = "my card number is four one one one";
const number = "+493012345678";

function logged(write: (log: ReturnType<typeof createLog>) => void, level: "debug" | "warn" = "debug"): string {
  let out = "";
  write(createLog({ level, destination: { write: (line) => (out += line) } }));
  return out;
}

test("words spoken, phone numbers and secrets never reach the log, however deep they stand", () => {
  const out = logged((log) => {
    log.info({ callId: "c1", text: words, caller: number }, "static");
    log.warn({ segment: { text: words, words: [{ text: words }] }, leg: { address: number, phone: number } }, "static");
    log.error(
      { event: { leg: { address: number, text: words } }, request: { headers: { authorization: "Bearer abc", cookie: "s=abc" } } },
      "static",
    );
    log.child({ from: number, to: number }).info({ password: "hunter2", apiKey: "ek_abc", digit: "7" }, "static");
  });
  for (const secret of [words, number, "hunter2", "ek_abc", "Bearer", "s=abc"]) expect(out).not.toContain(secret);
  expect(out).not.toContain('"digit":"7"');
  expect(out).toContain('"callId":"c1"');
  expect(out.trim().split("\n")).toHaveLength(4);
});

test("errors keep their stack, code and cause", () => {
  const cause = new TypeError("inner reason");
  const out = logged((log) => log.error({ err: new EarshotError("corrupt", "event_undecodable", "Not an Event.", { cause }) }, "failed"));
  const line = JSON.parse(out);
  expect(line.level).toBe("error");
  expect(line.err).toMatchObject({ code: "event_undecodable", category: "corrupt" });
  expect(line.err.stack).toContain("log.test.ts");
  expect(out).toContain("inner reason");
});

test("what is below the level is not written", () => {
  const out = logged((log) => {
    log.debug({}, "quiet");
    log.info({}, "quiet");
    log.warn({}, "loud");
  }, "warn");
  expect(out).not.toContain("quiet");
  expect(out).toContain("loud");
});
