import { EarshotError } from "@earshot/proto/errors.ts";
import { expect, test } from "vitest";
import { systemClock } from "../clock/clock.ts";
import { ManualClock } from "../clock/manual-clock.ts";
import { silentLog } from "../log/log.ts";
import type { Component } from "./component.ts";
import { run } from "./run.ts";

function component(name: string, events: string[], more: Partial<Component> = {}): Component {
  return {
    name,
    async start() {
      events.push(`start ${name}`);
    },
    async stop() {
      events.push(`stop ${name}`);
    },
    ...more,
  };
}
const options = { log: silentLog, clock: systemClock };

test("starts in order, stops in reverse, is ready in between only", async () => {
  const events: string[] = [];
  const running = await run([component("log", events), component("store", events), component("api", events)], options);
  expect(running.isReady()).toBe(true);
  const stopping = running.stop(1000);
  expect(running.isReady()).toBe(false);
  await stopping;
  expect(events).toEqual(["start log", "start store", "start api", "stop api", "stop store", "stop log"]);
});

test("each start waits for the one before", async () => {
  const events: string[] = [];
  const slow = component("slow", events, {
    async start() {
      await new Promise((resolve) => setTimeout(resolve, 20));
      events.push("slow serves");
    },
  });
  await (await run([slow, component("next", events)], options)).stop(100);
  expect(events.slice(0, 2)).toEqual(["slow serves", "start next"]);
});

test("a start that fails stops what was started, and says why", async () => {
  const events: string[] = [];
  const failing = component("failing", events, {
    async start() {
      throw new EarshotError("unavailable", "port_taken", "A port is taken.");
    },
  });
  await expect(
    run([component("first", events), component("second", events), failing, component("never", events)], options),
  ).rejects.toMatchObject({
    code: "port_taken",
  });
  expect(events).toEqual(["start first", "start second", "stop second", "stop first"]);
});

test("one that fails to stop does not keep the others from stopping", async () => {
  const events: string[] = [];
  const failing = component("failing", events, {
    async stop() {
      throw new Error("no");
    },
  });
  await (await run([component("first", events), failing], options)).stop(100);
  expect(events).toEqual(["start first", "start failing", "stop first"]);
});

test("one that hangs is left behind after the deadline, and the rest get what is left of it", async () => {
  const clock = new ManualClock();
  const events: string[] = [];
  const given: number[] = [];
  const hanging = component("hanging", events, { stop: () => new Promise(() => {}) });
  const first = component("first", events, {
    async stop(deadlineMs) {
      given.push(deadlineMs);
    },
  });
  const running = await run([first, hanging], { log: silentLog, clock });
  const stopping = running.stop(1000);
  await Promise.resolve();
  clock.advance(1500);
  await stopping;
  expect(given).toEqual([0]);
});

test("stopping twice stops once", async () => {
  const events: string[] = [];
  const running = await run([component("one", events)], options);
  await Promise.all([running.stop(100), running.stop(100)]);
  expect(events).toEqual(["start one", "stop one"]);
});
