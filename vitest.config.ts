import { availableParallelism } from "node:os";
import { configDefaults, defineConfig } from "vitest/config";

// chDB crashes under worker threads and holds one data directory per process: whatever touches a store or a server is `contract`.
const exclude = [...configDefaults.exclude, "**/dist/**", "data/**"];
// Packets every 20 ms and SIP's timers: what hangs on milliseconds is tested with nothing beside it.
const realTime = "sip-gateway/**/*.contract.test.ts";

const contract = { pool: "forks", testTimeout: 60_000, hookTimeout: 60_000, expect: { poll: { timeout: 10_000 } } } as const;

export default defineConfig({
  test: {
    reporters: ["default", "./deploy/setup/retried-tests.ts"],
    projects: [
      {
        test: {
          name: "unit",
          pool: "threads",
          include: ["**/*.test.ts", "**/*.test.tsx"],
          exclude: [...exclude, "**/*.contract.test.ts", "**/*.e2e.test.ts"],
          testTimeout: 20_000,
          maxWorkers: Math.max(2, availableParallelism() - 1),
          // By itself: projects of one group have one number of workers.
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          ...contract,
          name: "contract",
          include: ["**/*.contract.test.ts"],
          exclude: [...exclude, realTime],
          // Mostly servers that are waited for: two files at once, also on a machine of two cores.
          maxWorkers: 2,
        },
      },
      { test: { ...contract, name: "contract-alone", include: [realTime], exclude, fileParallelism: false } },
      {
        test: {
          name: "e2e",
          pool: "forks",
          include: ["**/*.e2e.test.ts"],
          exclude,
          testTimeout: 180_000,
          hookTimeout: 120_000,
          fileParallelism: false,
          // Real calls in real time beside whatever else the machine does: what fails once is played once more, and told at the end of the run.
          retry: 1,
        },
      },
    ],
  },
});
