import { type Log, silentLog } from "@earshot/platform/log/log.ts";
import type { TenantSettings, Trunk } from "@earshot/proto/gen/earshot/v1/events_pb.js";
import { describe, expect, test } from "vitest";
import type { SipPeer } from "../signalling/port.ts";
import { readNetwork } from "./network.ts";
import { TrunkDirectory } from "./trunk-directory.ts";

const trunk = (id: string, more: Partial<Trunk>): Trunk =>
  ({ id, enabled: true, sourceNetworks: [], tlsPeers: [], requestUsers: [], requestHosts: [], ...more }) as unknown as Trunk;
const settings = (version: number, ...trunks: Trunk[]): TenantSettings =>
  ({ version, trunks, extensions: [] }) as unknown as TenantSettings;
const peer = (address: string, ...tlsNames: string[]): SipPeer => ({
  transport: "udp",
  address,
  port: 5060,
  localAddress: "",
  localPort: 0,
  tlsNames,
});
const uri = (user = "", host = "") => ({ scheme: "sip", user, host, raw: "" });

function directory(...entries: [tenant: string, settings: TenantSettings][]): TrunkDirectory {
  return logged(...entries).known;
}

function logged(...entries: [tenant: string, settings: TenantSettings][]) {
  const warnings: unknown[] = [];
  const log: Log = { ...silentLog, warn: (fields: object) => void warnings.push(fields) } as Log;
  const made = new TrunkDirectory(log);
  for (const [tenant, value] of entries) made.apply(tenant, value);
  return { known: made, warnings };
}

test("a trunk whose TLS peers cannot be told is noted once, with what it still admits", () => {
  const warnings: unknown[] = [];
  const log: Log = { ...silentLog, warn: (fields: object) => void warnings.push(fields) } as Log;
  const made = new TrunkDirectory(log, "no certificate is verified");
  const tlsPeers = ["sbc.example.com"];
  const trunks = [
    trunk("a", { tlsPeers }),
    trunk("b", { tlsPeers, sourceNetworks: ["10.0.0.0/8"] }),
    trunk("c", { tlsPeers, enabled: false }),
  ];
  for (const version of [1, 2]) made.apply("t", settings(version, ...trunks));
  expect(warnings).toMatchObject([
    { tenantId: "t", trunkId: "a", cause: "no certificate is verified", effect: "it admits nobody" },
    { trunkId: "b", effect: "it admits by its source networks alone" },
  ]);
  expect(logged(["t", settings(1, ...trunks)]).warnings).toEqual([]);
});

describe("networks", () => {
  test.each([
    ["10.0.0.0/8", "10.255.0.1", true],
    ["10.0.0.0/8", "11.0.0.1", false],
    ["192.0.2.7", "192.0.2.7", true],
    ["192.0.2.7", "192.0.2.8", false],
    ["0.0.0.0/0", "2001:db8::1", false],
    ["2001:db8::/32", "2001:db8:ffff::1", true],
    ["2001:db8::/32", "2001:db9::1", false],
    ["::/0", "192.0.2.1", false],
  ])("%s contains %s: %s", (network, address, contained) => {
    expect(readNetwork(network)?.contains(address)).toBe(contained);
  });
  test.each(["", "10.0.0.0/33", "10.0.0/8", "example.com", "10.0.0.0/x", "::/129"])("%s is no network", (text) => {
    expect(readNetwork(text)).toBeUndefined();
  });
});

describe("which trunk", () => {
  test("the narrower network, the TLS peer and the request user outweigh the wide network", () => {
    const known = directory(
      ["wide", settings(1, trunk("w", { sourceNetworks: ["10.0.0.0/8"] }))],
      ["narrow", settings(1, trunk("n", { sourceNetworks: ["10.1.0.0/16"] }))],
      ["tls", settings(1, trunk("t", { tlsPeers: ["SBC.example.com"] }))],
      ["user", settings(1, trunk("u", { sourceNetworks: ["10.0.0.0/8"], requestUsers: ["tenant-a"] }))],
      ["host", settings(1, trunk("h", { requestHosts: ["rec.example.com"] }))],
    );
    const tenantOf = (...at: Parameters<TrunkDirectory["match"]>) => known.match(...at)?.entry.tenant;
    expect(tenantOf(peer("10.2.0.1"), uri())).toBe("wide");
    expect(tenantOf(peer("10.1.0.1"), uri())).toBe("narrow");
    expect(tenantOf(peer("10.1.0.1", "sbc.example.com"), uri())).toBe("tls");
    expect(tenantOf(peer("10.2.0.1"), uri("Tenant-A"))).toBe("user");
    expect(tenantOf(peer("192.0.2.1"), uri("x", "rec.example.com"))).toBe("host");
    expect(tenantOf(peer("192.0.2.1"), uri("tenant-a"))).toBeUndefined();
  });

  test("a trunk that names nothing, or is disabled, admits nobody", () => {
    const known = directory(["a", settings(1, trunk("1", {}), trunk("2", { sourceNetworks: ["0.0.0.0/0"], enabled: false }))]);
    expect(known.match(peer("10.0.0.1"), uri())).toBeUndefined();
  });

  test("the newest settings of a tenant win, in whatever order they come", () => {
    const known = directory(
      ["a", settings(5, trunk("new", { sourceNetworks: ["10.0.0.1"] }))],
      ["a", settings(4, trunk("old", { sourceNetworks: ["10.0.0.2"] }))],
    );
    expect(known.match(peer("10.0.0.1"), uri())?.trunk.id).toBe("new");
    expect(known.match(peer("10.0.0.2"), uri())).toBeUndefined();
  });

  const older = ["victim", settings(1, trunk("v", { sourceNetworks: ["10.0.0.0/8"], createdAtMs: 1000 }))] as [string, TenantSettings];
  test.each([
    ["the same network", { sourceNetworks: ["10.0.0.0/8"] }],
    ["a narrower network", { sourceNetworks: ["10.1.2.3/32"] }],
    ["a user of the request", { sourceNetworks: ["10.0.0.0/8"], requestUsers: ["rec"] }],
    ["a TLS peer", { tlsPeers: ["sbc.example.com"] }],
    ["the same network, of an age that nobody knows", { sourceNetworks: ["10.0.0.0/8"], createdAtMs: 0 }],
  ])("a newer claim of another tenant takes nothing from the older one, and is told of once: %s", (_, claim) => {
    const newer = ["thief", settings(1, trunk("t", { createdAtMs: 2000, ...claim }))] as [string, TenantSettings];
    for (const order of [
      [older, newer],
      [newer, older],
    ]) {
      const { known, warnings } = logged(...order);
      for (let i = 0; i < 3; i++) expect(known.match(peer("10.1.2.3", "sbc.example.com"), uri("rec"))?.entry.tenant).toBe("victim");
      expect(warnings).toMatchObject([{ tenantId: "victim", otherTenantId: "thief", peer: "10.1.2.3" }]);
    }
  });

  test("tenants of one source that name users of their own are in nobody's way; each tenant's most specific trunk serves", () => {
    const shared = { sourceNetworks: ["10.0.0.1"] };
    const { known, warnings } = logged(
      ["one", settings(1, trunk("1", { ...shared, requestUsers: ["one"], createdAtMs: 1 }))],
      [
        "two",
        settings(
          1,
          trunk("2", { ...shared, requestUsers: ["two"], createdAtMs: 2 }),
          trunk("2b", { ...shared, requestUsers: ["two"], requestHosts: ["h"], createdAtMs: 9 }),
        ),
      ],
    );
    expect(known.match(peer("10.0.0.1"), uri("one"))?.trunk.id).toBe("1");
    expect(known.match(peer("10.0.0.1"), uri("two", "h"))?.trunk.id).toBe("2b");
    expect(warnings).toEqual([]);
  });

  test("of equal age, the order in which settings come decides nothing", () => {
    const claims = ["a", "b", "c"].map(
      (tenant) => [tenant, settings(1, trunk("t", { sourceNetworks: ["10.0.0.1"] }))] as [string, TenantSettings],
    );
    for (const order of [claims, claims.toReversed()]) expect(directory(...order).match(peer("10.0.0.1"), uri())?.entry.tenant).toBe("a");
  });
});
