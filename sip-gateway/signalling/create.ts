/** The adapter of SIP signalling that the settings name. */
import type { Clock } from "@earshot/platform/clock/clock.ts";
import type { Log } from "@earshot/platform/log/log.ts";
import type { Metrics } from "@earshot/platform/metrics/metrics.ts";
import type { gatewaySettings, SettingsOf } from "../settings.ts";
import { DrachtioSignalling } from "./drachtio/drachtio-signalling.ts";
import { EmbeddedSignalling } from "./embedded/embedded-signalling.ts";
import type { SipSignaling } from "./port.ts";

export function createSignalling(
  settings: SettingsOf<typeof gatewaySettings>,
  deps: { readonly log: Log; readonly metrics: Metrics; readonly clock: Clock },
): SipSignaling {
  const { signalling, signallingConnectMs, tlsCertFile, tlsPort, tlsKeyFile, tlsCaFile } = settings;
  if (signalling !== "embedded:") return new DrachtioSignalling({ ...settings, ...deps, url: signalling, connectMs: signallingConnectMs });
  const tls = tlsCertFile === "" ? undefined : { port: tlsPort, certFile: tlsCertFile, keyFile: tlsKeyFile, caFile: tlsCaFile };
  return new EmbeddedSignalling({ ...settings, ...deps, tls });
}
