import { ManualClock } from "@earshot/platform/clock/manual-clock.ts";
import { silentLog } from "@earshot/platform/log/log.ts";
import { beforeEach, expect, test } from "vitest";
import { restartPausesMs, ServerKeeper, type ServerState, stableMs } from "./server-keeper.ts";

let clock: ManualClock;
let states: ServerState[];
let launches: number;
let end: () => void;
let fails: boolean;
let keeper: ServerKeeper;
let stopped: number;

beforeEach(async () => {
  clock = new ManualClock();
  states = [];
  launches = 0;
  stopped = 0;
  fails = false;
  keeper = new ServerKeeper({
    clock,
    log: silentLog,
    onState: (state) => states.push(state),
    async launch(onExit) {
      launches += 1;
      if (fails) throw new Error("no");
      end = onExit;
      return async () => {
        stopped += 1;
      };
    },
  });
  await keeper.start();
});

const settle = async () => {
  for (let i = 0; i < 5; i++) await Promise.resolve();
};
const advance = async (ms: number) => {
  clock.advance(ms);
  await settle();
};

test("a server that ended is up again after the first pause", async () => {
  end();
  expect(states).toEqual(["restarting"]);
  await advance(restartPausesMs[0] - 1);
  expect(launches).toBe(1);
  await advance(1);
  expect([launches, states]).toEqual([2, ["restarting", "up"]]);
  await keeper.stop(0);
  expect(stopped).toBe(1);
});

test("one that keeps ending, or does not start, is given up; one that held for long begins anew", async () => {
  end();
  await advance(restartPausesMs[0]);
  await advance(stableMs);
  end();
  await advance(restartPausesMs[0]);
  expect(launches).toBe(3);
  fails = true;
  end();
  for (const pause of restartPausesMs.slice(1)) await advance(pause);
  expect(states.at(-1)).toBe("ended");
  const before = launches;
  await advance(1_000_000);
  expect(launches).toBe(before);
});

test("nothing is started once it is stopped", async () => {
  end();
  await keeper.stop(0);
  await advance(1_000_000);
  expect(launches).toBe(1);
});
