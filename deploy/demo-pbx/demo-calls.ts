/** The demo PBX as the API's "Place a demo call" button sees it: scenarios to choose from, a call to place, a bounded number at once. */
import { EarshotError } from "@earshot/proto/errors.ts";
import { type DemoCallHandle, placeDemoCall } from "./demo-call.ts";
import { type Impairment, loadDialogue, loadTruth, scenarioIds } from "./dialogue.ts";

export type DemoCalls = {
  scenarios(): { id: string; title: string; seconds: number }[];
  /** @throws EarshotError not_found (scenario), rate_limited (too many at once), or why the gateway refused */
  place(input: { scenario?: string; impairment?: Impairment }): Promise<{ scenario: string }>;
  /** Ends every demo call that is up. */
  stop(): Promise<void>;
};

/** @param options.maxCalls demo calls at once; one more is refused */
export function createDemoCalls(options: { recorder(): { address: string; port: number }; maxCalls: number }): DemoCalls {
  const all = scenarioIds().map((id) => ({ id, title: loadDialogue(id).title, seconds: Math.round(loadTruth(id).durationMs / 1000) }));
  const running = new Map<DemoCallHandle, AbortController>();
  let next = 0;
  return {
    scenarios: () => all,
    async place({ scenario, impairment }) {
      const id = scenario ?? all[next++ % all.length]!.id;
      if (!all.some((known) => known.id === id))
        throw new EarshotError("not_found", "demo_scenario_unknown", "There is no demo call of that name.", {
          remedy: `There are: ${all.map((known) => known.id).join(", ")}.`,
        });
      if (running.size >= options.maxCalls)
        throw new EarshotError("rate_limited", "demo_calls_full", `${options.maxCalls} demo calls are already up.`, {
          remedy: "Wait until one has ended.",
          retryAfterMs: 30_000,
        });
      const abort = new AbortController();
      const call = await placeDemoCall({ scenario: id, recorder: options.recorder(), impairment, signal: abort.signal });
      running.set(call, abort);
      void call.ended.finally(() => running.delete(call));
      return { scenario: id };
    },
    async stop() {
      for (const abort of running.values()) abort.abort();
      await Promise.all([...running.keys()].map((call) => call.ended));
    },
  };
}
