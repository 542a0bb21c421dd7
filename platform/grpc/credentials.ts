/** TLS and mutual TLS of either side, from the files that the settings name. */
import { readFileSync } from "node:fs";
import { createSecureContext } from "node:tls";
import { EarshotError } from "@earshot/proto/errors.ts";
import { ChannelCredentials, ServerCredentials } from "@grpc/grpc-js";

export type ClientTls = {
  /** PEM; empty = the authorities this machine trusts. */
  readonly caFile: string;
  /** Both or none: the certificate we show. */
  readonly certFile: string;
  readonly keyFile: string;
};
export type ServerTls = {
  readonly certFile: string;
  readonly keyFile: string;
  /** PEM; set = a client must show a certificate of these authorities. */
  readonly clientCaFile: string;
};

/** @returns undefined where neither certificate nor key is named: plain text */
export function serverTls(files: ServerTls): ServerTls | undefined {
  return files.certFile === "" && files.keyFile === "" ? undefined : files;
}

/**
 * @param target "grpc://host:port" (plain text) or "grpcs://host:port" (TLS)
 * @throws EarshotError invalid_request where a file cannot be read or holds no certificate
 */
export function channelCredentials(target: URL, tls: ClientTls): ChannelCredentials {
  if (target.protocol !== "grpcs:") return ChannelCredentials.createInsecure();
  const { ca, cert, key } = readFiles(tls.caFile, tls.certFile, tls.keyFile);
  return ChannelCredentials.createSsl(ca, key, cert);
}

/** @throws EarshotError invalid_request where a file cannot be read or holds no certificate */
export function serverCredentials(tls: ServerTls | undefined): ServerCredentials {
  if (tls === undefined) return ServerCredentials.createInsecure();
  const { ca, cert, key } = readFiles(tls.clientCaFile, tls.certFile, tls.keyFile);
  if (cert === null || key === null) throw unusable();
  return ServerCredentials.createSsl(ca, [{ cert_chain: cert, private_key: key }], ca !== null);
}

/** Empty names are null. Looked at here, because grpc-js would only do so at the first connection. */
function readFiles(caFile: string, certFile: string, keyFile: string) {
  const files = { ca: read(caFile), cert: read(certFile), key: read(keyFile) };
  if ((files.cert === null) !== (files.key === null)) throw unusable();
  try {
    createSecureContext({ ca: files.ca ?? undefined, cert: files.cert ?? undefined, key: files.key ?? undefined });
  } catch (cause) {
    throw unusable(cause);
  }
  return files;
}

const unusable = (cause?: unknown) =>
  new EarshotError("invalid_request", "tls_files_unusable", "The certificate and the key are no pair that TLS can use.", {
    remedy: "Name the certificate and the key that belongs to it, both as PEM, unencrypted.",
    cause,
  });

function read(file: string): Buffer | null {
  if (file === "") return null;
  try {
    return readFileSync(file);
  } catch (cause) {
    throw new EarshotError("invalid_request", "tls_file_unreadable", `The file ${file} cannot be read.`, {
      remedy: "Correct the setting that names it, or the file's rights.",
      cause,
    });
  }
}
