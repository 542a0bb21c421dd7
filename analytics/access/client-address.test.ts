import { expect, test } from "vitest";
import { clientAddress, isOfThisMachine, type ProxyTrust, trustsProxy } from "./client-address.ts";

type Request = Parameters<typeof clientAddress>[0];
const request = (remoteAddress: string, headers: Record<string, string> = {}) =>
  ({ headers, socket: { remoteAddress } }) as unknown as Request;

test.each<[string, ProxyTrust, string, string | undefined, string]>([
  ["no proxy", 0, "192.0.2.1", "10.0.0.1", "192.0.2.1"],
  ["one proxy, a forged part before it", 1, "10.0.0.9", "127.0.0.1, 203.0.113.9", "203.0.113.9"],
  ["two proxies", 2, "10.0.0.9", "127.0.0.1, 203.0.113.9, 10.0.0.8", "203.0.113.9"],
  ["fewer than there should be", 3, "10.0.0.9", "203.0.113.9", "203.0.113.9"],
  ["no header", 1, "10.0.0.9", undefined, "10.0.0.9"],
  ["a proxy by its network", ["10.0.0.0/8"], "::ffff:10.0.0.9", "127.0.0.1, 203.0.113.9, 10.0.0.8", "203.0.113.9"],
  ["somebody else than the proxy", ["10.0.0.9"], "192.0.2.1", "203.0.113.9", "192.0.2.1"],
  ["what is no address", ["10.0.0.9"], "10.0.0.9", "10.0.0.9, unknown", "unknown"],
])("%s", (_name, trust, peer, header, client) => {
  const headers: Record<string, string> = header === undefined ? {} : { "x-forwarded-for": header };
  expect(clientAddress(request(peer, headers), trustsProxy(trust))).toBe(client);
});

test("a request of this machine comes from loopback and through nobody", () => {
  expect(isOfThisMachine(request("127.0.0.1"))).toBe(true);
  expect(isOfThisMachine(request("::ffff:127.0.0.1"))).toBe(true);
  expect(isOfThisMachine(request("::1"))).toBe(true);
  expect(isOfThisMachine(request("192.0.2.1"))).toBe(false);
  for (const name of ["x-forwarded-for", "forwarded", "via", "x-real-ip"])
    expect(isOfThisMachine(request("127.0.0.1", { [name]: "127.0.0.1" })), name).toBe(false);
});
