/** A bar while a model is fetched: redrawn on a terminal, otherwise a line in the log at each tenth. */
import type { Log } from "@earshot/platform/log/log.ts";

const barWidth = 30;

export type Progress = { show(file: string, loaded: number, total: number): void; end(): void };

/** @param out where the bar is drawn if it is a terminal */
export function showProgress(model: string, log: Log, out: { isTTY?: boolean; write(text: string): unknown } = process.stderr): Progress {
  const files = new Map<string, { loaded: number; total: number }>();
  let tenth = -1;
  let drawn = false;
  return {
    show(file, loaded, total) {
      files.set(file, { loaded, total });
      let [have, all] = [0, 0];
      for (const one of files.values()) {
        have += one.loaded;
        all += one.total;
      }
      const part = all > 0 ? Math.min(1, have / all) : 0;
      if (out.isTTY === true) {
        drawn = true;
        const full = Math.round(part * barWidth);
        const megabytes = `${(have / 1e6).toFixed(0)} of ${(all / 1e6).toFixed(0)} MB`;
        out.write(`\rFetching ${model} [${"#".repeat(full)}${".".repeat(barWidth - full)}] ${megabytes}  `);
      } else if (Math.floor(part * 10) > tenth) {
        tenth = Math.floor(part * 10);
        log.info({ model, percent: tenth * 10, loadedBytes: have, totalBytes: all }, "fetching the speech model");
      }
    },
    end() {
      if (drawn) out.write("\n");
      drawn = false;
    },
  };
}
