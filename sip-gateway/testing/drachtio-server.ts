/** A drachtio-server on free loopback ports, where there is one: DRACHTIO_BIN, a binary that a developer has built. */
import { type ChildProcess, spawn } from "node:child_process";
import { accessSync, constants, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
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

export class DrachtioServer {
  readonly adminPort: number;
  readonly sipPort: number;
  readonly #folder: string;
  readonly #child: ChildProcess;

  private constructor(adminPort: number, sipPort: number, folder: string, child: ChildProcess) {
    this.adminPort = adminPort;
    this.sipPort = sipPort;
    this.#folder = folder;
    this.#child = child;
  }

  /** Resolves when it takes connections. */
  static async start(ports?: { adminPort: number; sipPort: number }): Promise<DrachtioServer> {
    const adminPort = ports?.adminPort ?? (await freePort());
    const sipPort = ports?.sipPort ?? (await freePort());
    const folder = mkdtempSync(join(tmpdir(), "earshot-drachtio-"));
    const config = join(folder, "drachtio.conf.xml");
    writeFileSync(
      config,
      `<drachtio>
  <admin port="${adminPort}" secret="loop back">127.0.0.1</admin>
  <sip>
    <contacts><contact>sip:127.0.0.1:${sipPort};transport=udp,tcp</contact></contacts>
    <session-timers default-refresher="uac"/>
  </sip>
  <logging><console/><sofia-loglevel>1</sofia-loglevel><loglevel>${process.env.DRACHTIO_LOG_LEVEL ?? "error"}</loglevel></logging>
</drachtio>
`,
    );
    const child = spawn(process.env.DRACHTIO_BIN!, ["-f", config], { stdio: process.env.DRACHTIO_LOG_LEVEL ? "inherit" : "ignore" });
    const server = new DrachtioServer(adminPort, sipPort, folder, child);
    if (await server.#answers()) return server;
    await server.stop();
    // Somebody else has taken one of its ports.
    return DrachtioServer.start(ports);
  }

  /** @returns false where it ended instead */
  async #answers(): Promise<boolean> {
    while (this.#child.exitCode === null && this.#child.signalCode === null) {
      if ((await isOpen(this.adminPort)) && (await isOpen(this.sipPort))) return true;
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
