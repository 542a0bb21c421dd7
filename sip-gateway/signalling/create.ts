/** The adapter of SIP signalling that the settings name. */
import type { Clock } from "@earshot/platform/clock/clock.ts";
import type { Log } from "@earshot/platform/log/log.ts";
import type { Metrics } from "@earshot/platform/metrics/metrics.ts";
import { EarshotError } from "@earshot/proto/errors.ts";
import type { gatewaySettings, SettingsOf } from "../settings.ts";
import { DrachtioSignalling } from "./drachtio/drachtio-signalling.ts";
import { EmbeddedSignalling } from "./embedded/embedded-signalling.ts";
import type { SipSignaling } from "./port.ts";

/** @throws EarshotError invalid_request `sip_tls_files_unused` where certificates are named that a drachtio-server would have to read */
export function createSignalling(
  settings: SettingsOf<typeof gatewaySettings>,
  deps: { readonly log: Log; readonly metrics: Metrics; readonly clock: Clock },
): SipSignaling {
  const { signalling, signallingConnectMs, tlsCertFile, tlsPort, tlsKeyFile, tlsCaFile } = settings;
  if (signalling !== "embedded:") {
    // Whoever sets them counts on them, on clients being verified above all.
    if (`${tlsCertFile}${tlsKeyFile}${tlsCaFile}` !== "") throw unusedTlsFiles();
    return new DrachtioSignalling({ ...settings, ...deps, url: signalling, connectMs: signallingConnectMs });
  }
  const tls = tlsCertFile === "" ? undefined : { port: tlsPort, certFile: tlsCertFile, keyFile: tlsKeyFile, caFile: tlsCaFile };
  return new EmbeddedSignalling({ ...settings, ...deps, tls });
}

function unusedTlsFiles(): EarshotError {
  return new EarshotError(
    "invalid_request",
    "sip_tls_files_unused",
    "EARSHOT_SIP_TLS_CERT, EARSHOT_SIP_TLS_KEY and EARSHOT_SIP_TLS_CA have no effect with EARSHOT_SIP_SIGNALLING=drachtio://: TLS is the server's.",
    { remedy: "Unset them, and name the files in drachtio.conf.xml (deploy/docs/connect-an-sbc.md)." },
  );
}
