import { ManualClock } from "@earshot/platform/clock/manual-clock.ts";
import { silentLog } from "@earshot/platform/log/log.ts";
import { expect, test } from "vitest";
import type { CallEvents } from "../events/call-events.ts";
import type { SipRequest } from "../signalling/port.ts";
import { RefusalNotices } from "./refusal-notices.ts";
import type { TrunkDirectory } from "./trunk-directory.ts";

test("a flood of strangers is told at a rate, and takes nothing from what a tenant is told", () => {
  const clock = new ManualClock();
  const events: { tenant: string; source: string }[] = [];
  const refusals = new RefusalNotices({
    directory: {
      known: true,
      match: ({ address }: { address: string }) =>
        address === "10.0.0.1" ? { entry: { tenant: "tenant-1", settings: { suspended: false } }, trunk: { name: "Test" } } : undefined,
    } as unknown as TrunkDirectory,
    events: { refused: (tenant: string, source: string) => void events.push({ tenant, source }) } as unknown as CallEvents,
    log: silentLog,
    clock,
    perSecond: 5,
  });
  const from = (address: string) =>
    ({ peer: { address, transport: "udp" }, uri: { raw: "sip:x" }, header: () => undefined }) as unknown as SipRequest;
  for (let i = 0; i < 20_000; i++) refusals.tell(from(`2001:db8::${i.toString(16)}`), { status: 403, outcome: "unknown_source" });
  expect(events.length).toBe(10);
  refusals.tell(from("10.0.0.1"), { status: 503, outcome: "max_calls" });
  expect(events.at(-1)).toEqual({ tenant: "tenant-1", source: "10.0.0.1" });
});
