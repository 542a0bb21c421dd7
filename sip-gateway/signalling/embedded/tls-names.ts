/** Names in a client's verified certificate, for admitting a trunk by them (RFC 5922 7.1). */
import type { TLSSocket } from "node:tls";

/** @returns lower-case subject CN and DNS, URI (without scheme) and IP alternative names; empty where the certificate did not verify */
export function certificateNames(socket: TLSSocket): string[] {
  if (!socket.authorized) return [];
  const certificate = socket.getPeerCertificate();
  const names = new Set<string>();
  const commonName = certificate.subject?.CN;
  if (typeof commonName === "string") names.add(commonName.toLowerCase());
  for (const entry of (certificate.subjectaltname ?? "").split(", ")) {
    const match = /^(DNS|URI|IP Address):(.+)$/.exec(entry);
    if (match !== null) names.add(match[2]!.replace(/^sips?:/i, "").toLowerCase());
  }
  return [...names];
}
