/** Starts Earshot with the window into its memory (`observed-process.ts`). */
import { fileURLToPath } from "node:url";
import { type EarshotProcess, startEarshot } from "@earshot/deploy/testing/earshot-process.ts";
import { freePort } from "@earshot/platform/testing/free-port.ts";
import type { Figures } from "./inside-figures.ts";
import { outsideFigures } from "./outside-figures.ts";

export type ObservedEarshot = EarshotProcess & {
  /** Everything that is known of its memory now, in bytes and counts. */
  figures(): Promise<Figures>;
  /** Live JavaScript heap after a full collection, in bytes. It changes what is measured afterwards. */
  collect(): Promise<number>;
};

/** Speech recognition is off: an engine's memory is its own. */
export async function runObserved(): Promise<ObservedEarshot> {
  const port = await freePort();
  const earshot = await startEarshot({
    env: { EARSHOT_ASR: "none", EARSHOT_RTP_PORTS: "40000-47999", BENCH_FIGURES_PORT: String(port) },
    script: fileURLToPath(new URL("./observed-process.ts", import.meta.url)),
  });
  const ask = async (path: string): Promise<Figures> => {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`);
    if (!answer.ok) throw new Error(`The process under test says: ${await answer.text()}`);
    return (await answer.json()) as Figures;
  };
  return {
    ...earshot,
    figures: async () => ({ ...outsideFigures(earshot.pid), ...(await ask("/figures")) }),
    collect: async () => (await ask("/collect")).heapUsed!,
  };
}
