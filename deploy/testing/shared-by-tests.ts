/**
 * What the tests of one file share because its start is dear: a cluster, say. vitest plays a failed end-to-end test once more and runs no
 * `beforeAll` for it; a test that is played again gets everything anew here, so that nothing its first try stopped, cut or counted is in its way.
 *
 *     const shared = sharedByTests(async (ends) => ends.adopt(await startTestCluster(), (cluster) => cluster.stop()));
 *     test("...", async () => {
 *       const cluster = shared();       // at its beginning: what a try goes on doing after its time does not reach the next one
 *     });
 */
import { afterAll, beforeEach } from "vitest";

/**
 * @param start runs before the first test, again where it failed, and again for a second try; what is put on `ends` is ended in reverse order,
 *   also where `start` fails half-way
 * @returns what is there for the test that runs
 */
export function sharedByTests<T>(start: (ends: AsyncDisposableStack) => Promise<T>): () => T {
  let shared: { readonly value: T; readonly ends: AsyncDisposableStack } | undefined;
  const tried = new Set<string>();
  beforeEach(async ({ task }) => {
    if (shared !== undefined && tried.has(task.id)) {
      const { ends } = shared;
      shared = undefined;
      // The first try has failed already, and may have left what cannot be ended in good order.
      await ends.disposeAsync().catch((error) => console.error("What the first try left could not be ended:", error));
    }
    tried.add(task.id);
    shared ??= await started(start);
  }, 180_000);
  afterAll(() => shared?.ends.disposeAsync(), 60_000);
  return () => {
    if (shared === undefined) throw new Error("Nothing is shared outside of a test.");
    return shared.value;
  };
}

async function started<T>(start: (ends: AsyncDisposableStack) => Promise<T>): Promise<{ value: T; ends: AsyncDisposableStack }> {
  const ends = new AsyncDisposableStack();
  try {
    return { value: await start(ends), ends };
  } catch (error) {
    await ends.disposeAsync();
    throw error;
  }
}
