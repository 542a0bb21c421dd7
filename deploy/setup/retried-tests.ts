/** Tells at the end of a run which tests passed only when they were played again: a green run must not hide them. */
import type { Reporter, TestModule } from "vitest/node";

/** @returns a line for each test that failed first and passed then, with what it failed of; none where all passed at once */
export function retriedTests(modules: readonly TestModule[]): string[] {
  return modules.flatMap((module) =>
    [...module.children.allTests("passed")]
      .filter((test) => test.diagnostic()?.flaky)
      .map((test) => {
        const [cause = "no error was kept"] = test.result().errors?.[0]?.message.split("\n") ?? [];
        return `${module.relativeModuleId} > ${test.fullName}\n    first: ${cause}`;
      }),
  );
}

export default class RetriedTests implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const lines = retriedTests(modules);
    if (lines.length === 0) return;
    console.log(`\n Passed only on the second try: ${lines.length}. Find out why before it fails twice.`);
    for (const line of lines) console.log(`  ${line}`);
  }
}
