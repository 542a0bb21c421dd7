/**
 * A network of its own on this machine, joined to it by two cables that can be pulled: one to the services, one for whoever knocks at the door.
 * Nothing of it is routed any further. Needs root and iproute2.
 *
 *     const network = createNetworkNamespace();      // networkNamespacesMissing() says why there can be none here
 *     spawn(network.through[0], [...network.through.slice(1), "node", "server.ts"])
 *     network.cut(); ... network.heal();             // the cable to the services: what is sent is lost, nobody is told
 *     network.dispose();                             // also when this process exits
 */
import { execFileSync } from "node:child_process";
import { randomInt } from "node:crypto";

export type NetworkNamespace = {
  /** In front of a command that is to run inside; it becomes the command's process. */
  readonly through: readonly string[];
  /** Addresses of the two ends of each cable: on this machine, and inside. */
  readonly servicesHere: string;
  readonly doorThere: string;
  cut(): void;
  heal(): void;
  dispose(): void;
};

const ip = (...args: string[]): void => void execFileSync("ip", args, { stdio: "pipe" });

export function createNetworkNamespace(): NetworkNamespace {
  const id = randomInt(0x10000).toString(16).padStart(4, "0");
  const name = `earshot-${id}`;
  // RFC 2544: addresses for tests between two machines that are no one's.
  const net = `198.${18 + randomInt(2)}.${randomInt(256)}`;
  const services = `es${id}`;
  const door = `ed${id}`;
  const dispose = (): void => {
    process.off("exit", dispose);
    try {
      // Its ends of the cables go with it, and with them the other ends.
      ip("netns", "del", name);
    } catch {}
  };
  process.once("exit", dispose);
  try {
    ip("netns", "add", name);
    for (const [cable, here, there] of [
      [services, `${net}.1`, `${net}.2`],
      [door, `${net}.5`, `${net}.6`],
    ] as const) {
      ip("link", "add", cable, "type", "veth", "peer", "name", `${cable}i`, "netns", name);
      ip("addr", "add", `${here}/30`, "dev", cable);
      ip("link", "set", cable, "up");
      ip("-n", name, "addr", "add", `${there}/30`, "dev", `${cable}i`);
      ip("-n", name, "link", "set", `${cable}i`, "up");
    }
    ip("-n", name, "link", "set", "lo", "up");
  } catch (error) {
    dispose();
    throw error;
  }
  return {
    through: ["ip", "netns", "exec", name],
    servicesHere: `${net}.1`,
    doorThere: `${net}.6`,
    cut: () => ip("link", "set", services, "down"),
    heal: () => ip("link", "set", services, "up"),
    dispose,
  };
}

/** @returns why there can be none here, empty where there can: a right of the machine, which no installation gives, so that it is skipped */
export function networkNamespacesMissing(): string {
  try {
    createNetworkNamespace().dispose();
    return "";
  } catch (error) {
    return `no network namespace can be made here (root, iproute2): ${(error as Error).message.split("\n")[0]}`;
  }
}
