import { ManualClock } from "@earshot/platform/clock/manual-clock.ts";
import { expect, test } from "vitest";
import { Supervisor } from "./supervisor.ts";

function supervised(outcomes: ("serves" | "fails")[]) {
  const clock = new ManualClock();
  const said: string[] = [];
  const supervisor = new Supervisor({ clock, say: (line) => said.push(line) });
  let starts = 0;
  const process = {
    name: "pipeline-1",
    async start() {
      if (outcomes[starts++] === "fails") throw new Error("no\nmore");
    },
  };
  const advance = async (ms: number): Promise<void> => {
    clock.advance(ms);
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { supervisor, process, said, advance, starts: () => starts };
}

test("what died is started again, and pauses double while it keeps dying", async () => {
  const { supervisor, process, said, advance, starts } = supervised(["fails", "fails", "serves"]);
  supervisor.died(process, "SIGKILL");
  await advance(499);
  expect(starts()).toBe(0);
  await advance(1);
  expect(starts()).toBe(1);
  await advance(999);
  expect(starts()).toBe(1);
  await advance(1);
  expect(starts()).toBe(2);
  await advance(2000);
  expect(said).toEqual([
    "pipeline-1 ended (SIGKILL); starting it again in 0.5 s.",
    "pipeline-1 ended (no); starting it again in 1 s.",
    "pipeline-1 ended (no); starting it again in 2 s.",
    "pipeline-1 serves again.",
  ]);
});

test("one that held for a minute begins with the short pause again", async () => {
  const { supervisor, process, said, advance } = supervised(["serves", "serves"]);
  supervisor.died(process, "SIGKILL");
  await advance(500);
  await advance(60_001);
  supervisor.died(process, "SIGKILL");
  expect(said.at(-1)).toContain("in 0.5 s");
});

test("after stop nothing is started", async () => {
  const { supervisor, process, advance, starts } = supervised(["serves"]);
  supervisor.died(process, "SIGKILL");
  supervisor.stop();
  await advance(10_000);
  supervisor.died(process, "SIGKILL");
  await advance(10_000);
  expect(starts()).toBe(0);
});
