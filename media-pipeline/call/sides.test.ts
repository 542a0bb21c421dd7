import { Speaker } from "@earshot/proto/gen/earshot/v1/events_pb.js";
import { describe, expect, it } from "vitest";
import { sidesOf } from "./sides.ts";

const { AGENT, CALLER, MIXED, UNSPECIFIED } = Speaker;
const legs = (...speakers: Speaker[]) => speakers.map((speaker, index) => ({ index, speaker }));

describe("sides of a call", () => {
  it.each([
    [legs(AGENT, CALLER), [0], [1], true],
    [legs(CALLER, AGENT), [1], [0], true],
    [legs(UNSPECIFIED, UNSPECIFIED), [0], [1], true],
    [legs(CALLER, UNSPECIFIED), [1], [0], true],
    [legs(AGENT, CALLER, CALLER), [0], [1, 2], true],
    [legs(AGENT, CALLER, UNSPECIFIED), [0, 2], [1], true],
    [legs(MIXED), [0], [], false],
    [legs(AGENT), [0], [], false],
    [[], [], [], false],
  ])("%j", (given, agent, caller, separate) => {
    expect(sidesOf(given)).toEqual({ agent, caller, separate });
  });
});
