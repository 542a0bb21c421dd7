/** Throw-away certificates for TLS tests, made by openssl; undefined where it is not installed, an error where REQUIRE_SERVERS=1 asks for it. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export type Certificates = {
  readonly caFile: string;
  readonly certFile: string;
  readonly keyFile: string;
  readonly clientCertFile: string;
  readonly clientKeyFile: string;
  readonly clientCert: Buffer;
  readonly clientKey: Buffer;
  remove(): void;
};

/** @param clientName DNS name in the client's certificate */
export function makeCertificates(clientName: string): Certificates | undefined {
  const directory = mkdtempSync(join(tmpdir(), "earshot-tls-"));
  const file = (name: string) => join(directory, name);
  const openssl = (...args: string[]) => execFileSync("openssl", args, { cwd: directory, stdio: "ignore" });
  try {
    const newKey = ["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    openssl(...newKey, "-x509", "-days", "2", "-subj", "/CN=test-ca", "-keyout", "ca.key", "-out", "ca.pem");
    for (const [name, dns] of [
      ["server", "localhost"],
      ["client", clientName],
    ] as const) {
      writeFileSync(file(`${name}.ext`), `subjectAltName=DNS:${dns}`);
      openssl(...newKey, "-subj", `/CN=${dns}`, "-keyout", `${name}.key`, "-out", `${name}.csr`);
      openssl(
        "x509",
        "-req",
        "-in",
        `${name}.csr`,
        "-CA",
        "ca.pem",
        "-CAkey",
        "ca.key",
        "-CAcreateserial",
        "-days",
        "2",
        "-extfile",
        `${name}.ext`,
        "-out",
        `${name}.pem`,
      );
    }
  } catch (cause) {
    rmSync(directory, { recursive: true });
    if (process.env.REQUIRE_SERVERS === "1") throw new Error("REQUIRE_SERVERS=1, but openssl cannot make certificates", { cause });
    return undefined;
  }
  return {
    caFile: file("ca.pem"),
    certFile: file("server.pem"),
    keyFile: file("server.key"),
    clientCertFile: file("client.pem"),
    clientKeyFile: file("client.key"),
    clientCert: readFileSync(file("client.pem")),
    clientKey: readFileSync(file("client.key")),
    remove: () => rmSync(directory, { recursive: true }),
  };
}
