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
  const made = new TrunkDirectory();
  for (const [tenant, value] of entries) made.apply(tenant, value);
  return made;
}

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
});
