/**
 * Start: how long from `npm start` (installed, UI built) until ready, and until the first page can be used in a browser.
 * The limit of the same run: a bare Node process. Goals: ready within 10 s, page within 2 s.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { startEarshot } from "@earshot/deploy/testing/earshot-process.ts";

const chromium = "/usr/bin/chromium";

async function run(): Promise<void> {
  const rounds = 3;
  const bare = median(
    Array.from({ length: rounds }, () => {
      const startedAt = performance.now();
      spawnSync(process.execPath, ["-e", "0"]);
      return (performance.now() - startedAt) / 1000;
    }),
  );
  const first: number[] = [];
  const again: number[] = [];
  let pageSeconds: number | undefined;
  for (let round = 0; round < rounds; round++) {
    const fresh = await startEarshot();
    first.push(fresh.secondsToReady);
    await fresh.kill();
    const warm = await startEarshot({ dataDir: fresh.dataDir });
    again.push(warm.secondsToReady);
    if (round === 0) pageSeconds = await firstPage(warm.httpPort);
    await warm.stop();
  }
  console.log("start, seconds (median of 3)");
  console.log(`  bare Node process               ${bare.toFixed(2)}`);
  console.log(
    `  ready, very first start         ${median(first).toFixed(2)}   ${(median(first) / bare).toFixed(0)} x bare   goal 10, ratio ${(median(first) / 10).toFixed(2)}`,
  );
  console.log(
    `  ready, after kill -9            ${median(again).toFixed(2)}   ${(median(again) / bare).toFixed(0)} x bare   goal 10, ratio ${(median(again) / 10).toFixed(2)}`,
  );
  console.log(
    pageSeconds === undefined
      ? "  first page: no chromium here"
      : `  sign-in page usable in chromium ${pageSeconds.toFixed(2)}   goal 2, ratio ${(pageSeconds / 2).toFixed(2)}`,
  );
}

const median = (values: number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!;

/** From navigation to a sign-in form that takes keys, in a browser without a cache. */
async function firstPage(port: number): Promise<number | undefined> {
  if (!existsSync(chromium)) return undefined;
  const { chromium: launcher } = await import("playwright-core");
  const browser = await launcher.launch({ executablePath: chromium, args: ["--no-sandbox"] });
  try {
    const page = await browser.newPage();
    const startedAt = performance.now();
    await page.goto(`http://127.0.0.1:${port}/`);
    await page.locator('input[type="password"]').fill("typed");
    return (performance.now() - startedAt) / 1000;
  } finally {
    await browser.close();
  }
}

await run();
// The browser driver keeps handles open; the figures are out.
process.exit(0);
