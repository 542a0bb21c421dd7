/** Which of our addresses a peer reaches us at, without asking the kernel per message. */
import { createSocket } from "node:dgram";
import { BlockList, isIPv6 } from "node:net";
import { networkInterfaces } from "node:os";

type Subnet = { readonly address: string; readonly block: BlockList; readonly family: "ipv4" | "ipv6" };

const refreshMs = 60_000;

export class LocalAddresses {
  #subnets: Subnet[] = [];
  #outbound = { ipv4: "127.0.0.1", ipv6: "::1" };
  #readAtMs = Number.NEGATIVE_INFINITY;
  readonly #fixed: string;

  /** @param fixed advertised or bound address that overrules everything; "" for none */
  constructor(fixed: string) {
    this.#fixed = fixed;
  }

  /** Learns the address of the default route. */
  async start(): Promise<void> {
    this.#outbound = {
      ipv4: await outboundAddress("udp4", "192.0.2.1", "127.0.0.1"),
      ipv6: await outboundAddress("udp6", "2001:db8::1", "::1"),
    };
  }

  /** @param nowMs monotonic; interfaces are read again once a minute */
  towards(peer: string, nowMs: number): string {
    if (this.#fixed !== "") return this.#fixed;
    if (peer.startsWith("127.")) return "127.0.0.1";
    if (peer === "::1") return "::1";
    if (nowMs - this.#readAtMs > refreshMs) {
      this.#readAtMs = nowMs;
      this.#subnets = readSubnets();
    }
    const family = isIPv6(peer) ? "ipv6" : "ipv4";
    const own = this.#subnets.find((subnet) => subnet.family === family && subnet.block.check(peer, family));
    return own?.address ?? this.#outbound[family];
  }
}

function readSubnets(): Subnet[] {
  const subnets: Subnet[] = [];
  for (const interfaces of Object.values(networkInterfaces())) {
    for (const one of interfaces ?? []) {
      const prefix = Number(one.cidr?.split("/")[1] ?? Number.NaN);
      if (one.internal || Number.isNaN(prefix)) continue;
      const family = one.family === "IPv6" ? "ipv6" : "ipv4";
      const block = new BlockList();
      block.addSubnet(one.address, prefix, family);
      subnets.push({ address: one.address, block, family });
    }
  }
  return subnets;
}

/** Connecting a UDP socket sends nothing; it makes the kernel choose the source address. */
function outboundAddress(type: "udp4" | "udp6", target: string, fallback: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = createSocket(type);
    const done = (address: string) => {
      socket.close();
      resolve(address);
    };
    socket.once("error", () => done(fallback));
    socket.connect(9, target, () => done(socket.address().address));
  });
}
