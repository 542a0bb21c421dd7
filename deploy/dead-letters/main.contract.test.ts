/** The command, run as an operator runs it, against the API on a real event log. */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { eventually, startTestApi, type TestApi } from "@earshot/analytics/api/testing/test-api.ts";
import { topics } from "@earshot/proto/topics.ts";
import { afterAll, beforeAll, expect, test } from "vitest";

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
  await api.eventLog.subscribe({
    topics: [topics.ledger.name],
    group: "test",
    from: "earliest",
    handle: () => {
      throw new Error("nothing can be handled");
    },
  });
});
afterAll(() => api?.stop());

function run(args: string[], env: Record<string, string> = {}): Promise<{ code: number | null; out: string; err: string }> {
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", join(import.meta.dirname, "main.ts"), ...args], {
    env: { PATH: process.env.PATH, EARSHOT_API_URL: api.url, EARSHOT_API_KEY: api.keys.first, ...env },
  });
  const read = { out: "", err: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    read.out += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    read.err += text;
  });
  return new Promise((resolve) => child.once("close", (code) => resolve({ code, ...read })));
}

test("lists, shows, replays and discards", async () => {
  expect(await run(["list"])).toEqual({ code: 0, out: "Nothing waits: every record was handled.\n", err: "" });
  await api.eventLog.publish(topics.ledger.name, "call-7", Buffer.from([0xff]));
  const { out } = await eventually(
    () => run(["list"]),
    (listed) => listed.out.includes("call-7"),
  );
  expect(out).toMatch(/waiting +ledger\.v1 for test: unexpected_Error, of call-7/);
  const id = /dead-\S+/.exec(out)![0];
  expect((await run(["show", id])).out).toMatch(/It cannot be read|not an Event[\s\S]*ff/);
  expect((await run(["replay", "--all", "--topic", "calls.v1"])).out).toContain("Replayed 0");
  const replayed = await run(["replay", "--all"]);
  expect([replayed.code, replayed.out]).toEqual([0, expect.stringMatching(/replayed[\s\S]*Replayed 1/)]);
  const again = await eventually(
    () => run(["list"]),
    (listed) => listed.out.includes("waiting"),
  );
  expect((await run(["discard", /dead-\S+/.exec(again.out)![0]])).code).toBe(0);
  expect((await run(["list"])).out).toContain("Nothing waits");
  expect((await run(["list", "--all"])).out).toMatch(/discarded[\s\S]*replayed/);
});

test("says what is wrong, and what to do", async () => {
  for (const [args, env, code, text] of [
    [["list"], { EARSHOT_API_KEY: "wrong" }, 1, "does not take this API key"],
    [["list"], { EARSHOT_API_KEY: "" }, 2, "No API key"],
    [["list"], { EARSHOT_API_URL: "http://127.0.0.1:9" }, 1, "Nothing answers at http://127.0.0.1:9"],
    [["show", "none"], {}, 1, "no such dead letter"],
    [["replay"], {}, 2, "Which ones?"],
    [["burn"], {}, 2, 'no command "burn"'],
    [["list", "--nonsense"], {}, 2, "nonsense"],
  ] as const) {
    const ended = await run([...args], env);
    expect([args, ended.code, ended.err]).toEqual([args, code, expect.stringContaining(text)]);
  }
});
