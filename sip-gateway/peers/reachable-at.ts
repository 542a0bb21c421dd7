/** What others are told where a socket is bound to every address: the first that other machines can reach. */
import { networkInterfaces } from "node:os";

export function reachableAt(host: string): string {
  if (host !== "0.0.0.0" && host !== "::") return host;
  const outside = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .find(({ family, internal }) => family === "IPv4" && !internal);
  return outside?.address ?? "127.0.0.1";
}
