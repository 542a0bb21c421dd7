import { ManualClock } from "@earshot/platform/clock/manual-clock.ts";
import { EarshotError } from "@earshot/proto/errors.ts";
import { callId, tenantId } from "@earshot/proto/ids.ts";
import { expect, test } from "vitest";
import { engineDown, type ScriptedOptions, ScriptedRecogniser } from "../testing/scripted-recogniser.ts";
import { watchRecogniser } from "./watched.ts";

const options = { tenantId: tenantId("acme"), callId: callId("call-1"), leg: 0, language: "", vocabulary: [] };

function watched(script: { -readonly [K in keyof ScriptedOptions]: ScriptedOptions[K] }) {
  const clock = new ManualClock();
  return { clock, recogniser: watchRecogniser(new ScriptedRecogniser(script), clock) };
}

test("an engine that fails is degraded until an utterance gets words again", async () => {
  const script: { failWith?: EarshotError } = { failWith: engineDown };
  const { recogniser } = watched(script);
  expect(recogniser.fault).toBeUndefined();
  await expect(recogniser.utterance(options).end()).rejects.toBe(engineDown);
  expect(recogniser.fault).toBe("the last utterance got no words: The scripted engine is down.");
  delete script.failWith;
  expect((await recogniser.utterance(options).end()).text).toBe("one two three");
  expect(recogniser.fault).toBeUndefined();
  script.failWith = new EarshotError("invalid_request", "utterance_too_long", "The utterance is too long.");
  await expect(recogniser.utterance(options).end()).rejects.toThrow("too long");
  expect(recogniser.fault, "an utterance's own fault").toBeUndefined();
});

test("an engine that hangs is degraded long before the utterance is given up, and not after that", async () => {
  const { clock, recogniser } = watched({ hang: true });
  const utterance = recogniser.utterance(options);
  void utterance.end();
  clock.advance(9000);
  expect(recogniser.fault).toBeUndefined();
  clock.advance(3000);
  expect(recogniser.fault).toBe("an utterance has waited 12 s for its words");
  utterance.abort();
  expect(recogniser.fault).toBeUndefined();
});
