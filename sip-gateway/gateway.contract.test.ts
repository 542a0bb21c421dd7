import { afterEach, expect, test } from "vitest";
import { GatewayUnderTest } from "./testing/gateway-under-test.ts";

let under: GatewayUnderTest;
afterEach(() => under.stop());

test("a plain UDP recording session becomes a call that starts and ends", async () => {
  under = await GatewayUnderTest.start();
  const client = await under.client();
  const answer = await client.start();
  expect(answer.startLine).toBe("SIP/2.0 200 OK");
  expect(answer.body).toContain("m=audio 30000 RTP/AVP 0");
  expect(under.calls("callStarted")).toMatchObject([
    {
      trunkId: "trunk-1",
      source: "siprec",
      peer: "127.0.0.1",
      legs: [
        { index: 0, label: "1" },
        { index: 1, label: "2" },
      ],
    },
  ]);
  expect(under.gateway.liveCalls()).toBe(1);
  expect((await client.bye()).status).toBe(200);
  expect(under.calls("callEnded")).toMatchObject([{ termination: "bye" }]);
  expect(under.gateway.liveCalls()).toBe(0);
  expect(under.media.usedPairs).toBe(0);
});
