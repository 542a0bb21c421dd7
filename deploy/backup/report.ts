/** Runs a command and ends with what it did or what went wrong, in words. */
import { EarshotError } from "@earshot/proto/errors.ts";

/** @param work its last line; undefined where the arguments ask for help */
export async function report(usage: string, work: () => Promise<string | undefined>): Promise<void> {
  try {
    const done = await work();
    console.log(done ?? usage);
    process.exitCode = done === undefined ? 2 : 0;
  } catch (error) {
    const isUsage = (error as { code?: string }).code?.startsWith("ERR_PARSE_ARGS") === true;
    if (isUsage) console.error(`${(error as Error).message}\n\n${usage}`);
    else if (error instanceof EarshotError) console.error(`${error.message}${error.remedy === "" ? "" : `\n${error.remedy}`}`);
    else throw error;
    process.exitCode = isUsage ? 2 : 1;
  }
}
