/**
 * PostgreSQL refuses to run as root, so a root-started Earshot runs it as the user `postgres`. That user must reach the data directory
 * and the binaries; below a directory closed to others (such as /root) it gets the one capability that lets it pass, and nothing else.
 */
import { execFile } from "node:child_process";
import { readFile, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { promisify } from "node:util";
import { EarshotError } from "@earshot/proto/errors.ts";

const run = promisify(execFile);

export type RunAs = { uid: number; gid: number };

/** @returns undefined where the process is not root (PostgreSQL then runs as this user) */
export async function postgresUser(): Promise<RunAs | undefined> {
  if (process.platform === "win32" || process.getuid?.() !== 0) return undefined;
  const found = await lookUp();
  if (found !== undefined) return found;
  try {
    await run("groupadd", ["--system", "--force", "postgres"]);
    await run("useradd", ["--system", "--gid", "postgres", "--no-create-home", "--shell", "/usr/sbin/nologin", "postgres"]);
  } catch (cause) {
    throw new EarshotError(
      "unavailable",
      "postgres_user_missing",
      "PostgreSQL cannot run as root, and a user for it could not be created.",
      {
        remedy:
          "Create a system user named postgres, start Earshot as another user than root, or set EARSHOT_RELATIONAL_STORE to a server.",
        cause,
      },
    );
  }
  const made = await lookUp();
  if (made === undefined) throw new EarshotError("unavailable", "postgres_user_missing", "The new user postgres cannot be found.");
  return made;
}

async function lookUp(): Promise<RunAs | undefined> {
  const line = (await readFile("/etc/passwd", "utf8")).split("\n").find((entry) => entry.startsWith("postgres:"));
  const [, , uid, gid] = line?.split(":") ?? [];
  return uid === undefined || gid === undefined ? undefined : { uid: Number(uid), gid: Number(gid) };
}

/** May this user pass through every directory above `path`? */
export async function reaches(user: RunAs, path: string): Promise<boolean> {
  for (let directory = dirname(path); ; directory = dirname(directory)) {
    const { uid, gid, mode } = await stat(directory);
    const bit = uid === user.uid ? 0o100 : gid === user.gid ? 0o010 : 0o001;
    if ((mode & bit) === 0) return false;
    if (directory === dirname(directory)) return true;
  }
}

export type Command = { file: string; args: string[]; options: { uid?: number; gid?: number } };

/** The command line that runs `file` as `user`, where needed with leave to pass through closed directories above `paths`. */
export async function commandAs(user: RunAs | undefined, file: string, args: string[], paths: readonly string[]): Promise<Command> {
  if (user === undefined) return { file, args, options: {} };
  const reachable = await Promise.all([file, ...paths].map((path) => reaches(user, path)));
  if (!reachable.includes(false)) return { file, args, options: user };
  const capability = await passingCapability();
  if (capability === undefined)
    throw new EarshotError(
      "unavailable",
      "postgres_directory_closed",
      "The user postgres cannot reach the data directory or the program.",
      {
        remedy: "Put both below directories that others may pass (chmod o+x), or set EARSHOT_RELATIONAL_STORE to a server.",
        details: { directories: paths },
      },
    );
  const caps = `+${capability}`;
  return {
    file: "setpriv",
    args: [
      `--reuid=${user.uid}`,
      `--regid=${user.gid}`,
      "--clear-groups",
      `--inh-caps=${caps}`,
      `--ambient-caps=${caps}`,
      // A shell in between: setpriv itself has dropped the capability when it looks the program up, what it starts has it.
      "/bin/sh",
      "-c",
      'exec "$0" "$@"',
      file,
      ...args,
    ],
    options: {},
  };
}

/** CAP_DAC_READ_SEARCH, else CAP_DAC_OVERRIDE (containers often have just that), as far as this process holds them. */
async function passingCapability(): Promise<string | undefined> {
  const status = await readFile("/proc/self/status", "utf8").catch(() => "");
  const held = BigInt(`0x${/^CapPrm:\s*([0-9a-f]+)/m.exec(status)?.[1] ?? "0"}`);
  const available = await run("setpriv", ["--version"]).then(
    () => true,
    () => false,
  );
  if (!available) return undefined;
  if ((held & 4n) !== 0n) return "dac_read_search";
  return (held & 2n) !== 0n ? "dac_override" : undefined;
}
