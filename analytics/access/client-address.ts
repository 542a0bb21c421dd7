/** Whose request it is when reverse proxies of ours stand in front: only what they have written into X-Forwarded-For counts. */
import type { IncomingMessage } from "node:http";
import { BlockList, isIP } from "node:net";

/** How many proxies stand before us (0 = none), or the addresses and networks they have. */
export type ProxyTrust = number | readonly string[];
/** @param hop 0 = whoever is connected to us, 1 = whom that one names, and so on */
export type TrustsProxy = (address: string, hop: number) => boolean;

export function trustsProxy(trust: ProxyTrust): TrustsProxy {
  if (typeof trust === "number") return (_address, hop) => hop < trust;
  const proxies = new BlockList();
  for (const text of trust) {
    const [base = "", prefix] = text.split("/");
    const family = isIP(base) === 6 ? "ipv6" : "ipv4";
    if (prefix === undefined) proxies.addAddress(base, family);
    else proxies.addSubnet(base, Number(prefix), family);
  }
  return (address) => contains(proxies, address);
}

/**
 * The first address, seen from here, that is none of our proxies': what stands left of it in X-Forwarded-For anybody can have written.
 * The same as Fastify's `request.ip`, for upgrades, which Fastify does not see.
 */
export function clientAddress(request: Pick<IncomingMessage, "headers" | "socket">, trusts: TrustsProxy): string {
  const header = request.headers["x-forwarded-for"];
  const named = (Array.isArray(header) ? header.join(",") : (header ?? "")).split(",").map((part) => part.trim());
  let address = request.socket.remoteAddress ?? "";
  for (let hop = 0; trusts(address, hop); hop++) {
    const next = named.pop();
    if (next === undefined || next === "") break;
    address = next;
  }
  return address;
}

const forwarding = ["forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip"] as const;
const loopback = new BlockList();
loopback.addSubnet("127.0.0.0", 8, "ipv4");
loopback.addAddress("::1", "ipv6");

/** Does it come from a program on this machine, and not through a proxy on it? */
export function isOfThisMachine(request: Pick<IncomingMessage, "headers" | "socket">): boolean {
  return forwarding.every((name) => request.headers[name] === undefined) && contains(loopback, request.socket.remoteAddress ?? "");
}

function contains(block: BlockList, address: string): boolean {
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, "");
  const family = isIP(plain);
  return family !== 0 && block.check(plain, family === 6 ? "ipv6" : "ipv4");
}
