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

/**
 * The command line that runs `file` as `user`, where needed with leave to pass through closed directories above `paths`.
 * @param endWithParent on Linux, the command gets SIGINT when this process dies, so that a kill -9 leaves no server behind
 */
export async function commandAs(
  user: RunAs | undefined,
  file: string,
  args: string[],
  paths: readonly string[],
  endWithParent = false,
): Promise<Command> {
  const setpriv = await canSetpriv();
  const dying = endWithParent && setpriv ? ["--pdeathsig=INT"] : [];
  if (user === undefined)
    return dying.length === 0 ? { file, args, options: {} } : { file: "setpriv", args: [...dying, file, ...args], options: {} };
  const reachable = !(await Promise.all([file, ...paths].map((path) => reaches(user, path)))).includes(false);
  const capability = reachable || !setpriv ? undefined : await passingCapability();
  if (!reachable && capability === undefined)
    throw new EarshotError(
      "unavailable",
      "postgres_directory_closed",
      "The user postgres cannot reach the data directory or the program.",
      {
        remedy: "Put both below directories that others may pass (chmod o+x), or set EARSHOT_RELATIONAL_STORE to a server.",
        details: { directories: paths },
      },
    );
  if (!setpriv) return { file, args, options: user };
  const become = [`--reuid=${user.uid}`, `--regid=${user.gid}`, "--clear-groups", ...dying];
  if (capability === undefined) return { file: "setpriv", args: [...become, file, ...args], options: {} };
  // A shell in between: setpriv itself has dropped the capability when it looks the program up, what it starts has it.
  const passing = [`--inh-caps=+${capability}`, `--ambient-caps=+${capability}`, "/bin/sh", "-c", 'exec "$0" "$@"'];
  return { file: "setpriv", args: [...become, ...passing, file, ...args], options: {} };
}

async function canSetpriv(): Promise<boolean> {
  if (process.platform !== "linux") return false;
  return run("setpriv", ["--pdeathsig=keep", "true"]).then(
    () => true,
    () => false,
  );
}

/** CAP_DAC_READ_SEARCH, else CAP_DAC_OVERRIDE (containers often have just that), as far as this process holds them. */
async function passingCapability(): Promise<string | undefined> {
  const status = await readFile("/proc/self/status", "utf8").catch(() => "");
  const held = BigInt(`0x${/^CapPrm:\s*([0-9a-f]+)/m.exec(status)?.[1] ?? "0"}`);
  if ((held & 4n) !== 0n) return "dac_read_search";
  return (held & 2n) !== 0n ? "dac_override" : undefined;
}
