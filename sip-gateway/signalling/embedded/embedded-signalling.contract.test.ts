import { systemClock } from "@earshot/platform/clock/clock.ts";
import { silentLog } from "@earshot/platform/log/log.ts";
import { createMetrics } from "@earshot/platform/metrics/metrics.ts";
import { makeCertificates } from "@earshot/platform/testing/certificates.ts";
import { afterAll, expect, test } from "vitest";
import { BrokenSignalling } from "../broken-signalling.ts";
import { type MakeSignalling, ownTransportChecks, signallingChecks, tlsChecks } from "../contract.ts";
import { EmbeddedSignalling } from "./embedded-signalling.ts";

const certificates = makeCertificates("sbc.example.com");
afterAll(() => certificates?.remove());

const make: MakeSignalling = async (handlers) => {
  const signalling = new EmbeddedSignalling({
    host: "127.0.0.1",
    port: 0,
    advertisedAddress: "",
    tls: certificates && { port: 0, certFile: certificates.certFile, keyFile: certificates.keyFile, caFile: "" },
    maxMessageBytes: 65_536,
    maxHeaders: 100,
    maxMessagesPerSecond: 1000,
    maxConnections: 20,
    maxConnectionsPerSource: 20,
    tlsHandshakeMs: 5000,
    maxPendingInvites: 100,
    retryAfterSeconds: 5,
    connectionIdleMs: 60_000,
    log: silentLog,
    metrics: createMetrics(),
    clock: systemClock,
  });
  signalling.handle(handlers);
  await signalling.start();
  return signalling;
};

const checks = [...signallingChecks, ...ownTransportChecks];
test.concurrent.each(checks)("$name", ({ run }) => run(make));
test.skipIf(certificates === undefined).concurrent.each(tlsChecks)("$name", ({ run }) => run(make));

const makeBroken: MakeSignalling = async () => {
  const signalling = new BrokenSignalling();
  await signalling.start();
  return signalling;
};

test("a broken adapter fails every check", async () => {
  const outcomes = await Promise.allSettled(checks.map((check) => check.run(makeBroken)));
  const passed = checks.filter((_, index) => outcomes[index]?.status === "fulfilled").map((check) => check.name);
  expect(passed).toEqual([]);
});
