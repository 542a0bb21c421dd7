/** Servers of the JVM that tests need: their jars come from Maven, once. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";

export type MavenJars = {
  /** Its dependencies are what is fetched. */
  readonly pom: string;
  readonly folder: string;
  /** How the name of the server's own jar begins. */
  readonly main: string;
};

/** Fetches the jars unless they are there. @returns their folder @throws Error where Maven is missing or cannot fetch them */
export function resolveJars({ pom, folder, main }: MavenJars): string {
  if (existsSync(folder) && readdirSync(folder).some((name) => name.startsWith(main))) return folder;
  const fetched = `${folder}.${process.pid}`;
  mkdirSync(fetched, { recursive: true });
  try {
    const goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", `-DoutputDirectory=${fetched}`];
    execFileSync("mvn", ["-q", "-B", "-f", pom, ...goal], { stdio: ["ignore", "ignore", "pipe"] });
    // Two processes may fetch at once: the first to finish counts.
    if (!existsSync(folder)) renameSync(fetched, folder);
  } finally {
    rmSync(fetched, { recursive: true, force: true });
  }
  return folder;
}

/** @returns why no server can run of these jars, empty where one can. @throws Error instead with REQUIRE_SERVERS=1 */
export function jarsMissing(jars: MavenJars, server: string): string {
  try {
    execFileSync("java", ["-version"], { stdio: "ignore" });
    resolveJars(jars);
    return "";
  } catch (error) {
    const missing = `no ${server}: ${error instanceof Error ? error.message.split("\n")[0] : String(error)}`;
    if (process.env.REQUIRE_SERVERS === "1") throw new Error(missing);
    return missing;
  }
}
