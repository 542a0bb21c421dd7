import { configDefaults, defineConfig } from "vitest/config";

// chDB crashes under worker threads and holds one data directory per process: whatever touches a store or a server is `contract`.
// Real servers and calls in real time, beside whatever else the machine does: what fails once of them (`retry`) is played once more, and told at the
// end of the run.
const exclude = [...configDefaults.exclude, "**/dist/**", "data/**"];

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
        },
      },
      {
        test: {
          name: "contract",
          pool: "forks",
          include: ["**/*.contract.test.ts"],
          exclude,
          testTimeout: 60_000,
          hookTimeout: 60_000,
          expect: { poll: { timeout: 10_000 } },
          retry: 1,
        },
      },
      {
        test: {
          name: "e2e",
          pool: "forks",
          include: ["**/*.e2e.test.ts"],
          exclude,
          testTimeout: 180_000,
          hookTimeout: 120_000,
          fileParallelism: false,
          retry: 1,
        },
      },
    ],
  },
});
