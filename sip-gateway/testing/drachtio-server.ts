/** A drachtio-server on free loopback ports, where there is one: DRACHTIO_BIN, a binary that a developer has built. */
import { type ChildProcess, spawn } from "node:child_process";
import { accessSync, constants, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Certificates } from "@earshot/platform/testing/certificates.ts";
import { freePort } from "./free-port.ts";

/** @returns "" where tests can run one, else why not */
export function drachtioMissing(): string {
  const binary = process.env.DRACHTIO_BIN ?? "";
  if (binary === "") return "DRACHTIO_BIN names no drachtio-server";
  try {
    accessSync(binary, constants.X_OK);
    return "";
  } catch {
    return `DRACHTIO_BIN=${binary} cannot be run`;
  }
}

export type DrachtioServerOptions = {
  /** Those of a server that was stopped: it comes back where it was. */
  readonly ports?: { readonly adminPort: number; readonly sipPort: number };
  /** Takes SIP over TLS too, on a port of its own. */
  readonly tls?: Certificates;
  /** Refuses a TLS client without a certificate of `tls`' CA. */
  readonly verifyClients?: boolean;
};

export class DrachtioServer {
  readonly adminPort: number;
  readonly sipPort: number;
  readonly #ports: readonly number[];
  readonly #folder: string;
  readonly #child: ChildProcess;

  private constructor(adminPort: number, sipPort: number, tlsPort: number | undefined, folder: string, child: ChildProcess) {
    this.adminPort = adminPort;
    this.sipPort = sipPort;
    this.#ports = [adminPort, sipPort, ...(tlsPort === undefined ? [] : [tlsPort])];
    this.#folder = folder;
    this.#child = child;
  }

  /** Resolves when it takes connections. */
  static async start(options: DrachtioServerOptions = {}): Promise<DrachtioServer> {
    const { ports, tls, verifyClients } = options;
    const adminPort = ports?.adminPort ?? (await freePort());
    const sipPort = ports?.sipPort ?? (await freePort());
    const tlsPort = tls && (await freePort());
    const tlsContact = tls && `<contact>sips:127.0.0.1:${tlsPort};transport=tls</contact>`;
    const certificate =
      tls &&
      `<tls>
      <key-file>${tls.keyFile}</key-file><cert-file>${tls.certFile}</cert-file><chain-file>${tls.caFile}</chain-file>
      <min-tls-version>1.2</min-tls-version>
    </tls>`;
    const folder = mkdtempSync(join(tmpdir(), "earshot-drachtio-"));
    const config = join(folder, "drachtio.conf.xml");
    writeFileSync(
      config,
      `<drachtio>
  <admin port="${adminPort}" secret="loop back">127.0.0.1</admin>
  <sip>
    <contacts><contact>sip:127.0.0.1:${sipPort};transport=udp,tcp</contact>${tlsContact ?? ""}</contacts>
    ${certificate ?? ""}
    <session-timers default-refresher="uac"/>
  </sip>
  <logging><console/><sofia-loglevel>1</sofia-loglevel><loglevel>${process.env.DRACHTIO_LOG_LEVEL ?? "error"}</loglevel></logging>
</drachtio>
`,
    );
    const child = spawn(process.env.DRACHTIO_BIN!, ["-f", config], {
      stdio: process.env.DRACHTIO_LOG_LEVEL ? "inherit" : "ignore",
      // Its configuration file has no word for it.
      env: { ...process.env, ...(verifyClients ? { DRACHTIO_TLS_VERIFY_CLIENT_CERT: "1" } : {}) },
    });
    const server = new DrachtioServer(adminPort, sipPort, tlsPort, folder, child);
    if (await server.#answers()) return server;
    await server.stop();
    // Somebody else has taken one of its ports.
    return DrachtioServer.start(options);
  }

  /** @returns false where it ended instead */
  async #answers(): Promise<boolean> {
    while (this.#child.exitCode === null && this.#child.signalCode === null) {
      if ((await Promise.all(this.#ports.map(isOpen))).every(Boolean)) return true;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return false;
  }

  get url(): string {
    return `drachtio://:loop%20back@127.0.0.1:${this.adminPort}`;
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const ended = new Promise((resolve) => this.#child.once("exit", resolve));
      this.#child.kill("SIGKILL");
      await ended;
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function isOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
