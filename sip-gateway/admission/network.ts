/** CIDR blocks, IPv4 and IPv6. */
import { BlockList, isIP } from "node:net";

export type Network = { readonly prefix: number; contains(address: string): boolean };

/** @returns undefined where the text is no address or CIDR block; a bare address is a block of one */
export function readNetwork(text: string): Network | undefined {
  const [base = "", prefixText] = text.trim().split("/");
  const family = isIP(base);
  if (family === 0) return undefined;
  const bits = family === 4 ? 32 : 128;
  const prefix = prefixText === undefined ? bits : /^\d{1,3}$/.test(prefixText) ? Number(prefixText) : -1;
  if (prefix < 0 || prefix > bits) return undefined;
  const type = family === 4 ? "ipv4" : "ipv6";
  const block = new BlockList();
  block.addSubnet(base, prefix, type);
  return { prefix, contains: (address) => isIP(address) === family && block.check(address, type) };
}
