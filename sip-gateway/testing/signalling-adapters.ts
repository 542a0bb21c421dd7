/** Both adapters of SIP signalling, for tests of a whole gateway. */
import type { Certificates } from "@earshot/platform/testing/certificates.ts";
import type { GatewaySettings } from "../gateway.ts";
import { DrachtioServer, drachtioMissing } from "./drachtio-server.ts";

export type AdapterName = "embedded" | "drachtio-server";

/** `missing` says why an adapter cannot be tested here; the title says it too. */
export const signallingAdapters = (
  [
    { adapter: "embedded", missing: "" },
    { adapter: "drachtio-server", missing: drachtioMissing() },
  ] satisfies { adapter: AdapterName; missing: string }[]
).map((one) => ({ ...one, title: one.missing === "" ? one.adapter : `${one.adapter} (${one.missing})` }));

/**
 * Starts what the adapter needs besides the gateway.
 * @param tls makes it take SIP over TLS too, and know the clients of that CA
 * @returns what the gateway is told; `stop` after the gateway
 */
export async function prepareAdapter(
  adapter: AdapterName,
  tls?: Certificates,
): Promise<{ readonly settings: Partial<GatewaySettings>; stop(): Promise<void> }> {
  if (adapter === "embedded") {
    return { settings: tls ? { tlsCertFile: tls.certFile, tlsKeyFile: tls.keyFile, tlsCaFile: tls.caFile } : {}, stop: async () => {} };
  }
  const server = await DrachtioServer.start(tls && { tls });
  return { settings: { signalling: server.url }, stop: () => server.stop() };
}
