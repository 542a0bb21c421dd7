/** Waiting with an end. */
import type { Clock } from "@earshot/platform/clock/clock.ts";

/** @returns true where `work` was done within `ms`, false where it goes on without us or failed */
export async function within(clock: Clock, ms: number, work: Promise<unknown>): Promise<boolean> {
  let cancel = (): void => {};
  const late = new Promise<boolean>((resolve) => (cancel = clock.after(Math.max(1, ms), () => resolve(false))));
  const done = await Promise.race([
    work.then(
      () => true,
      () => false,
    ),
    late,
  ]);
  cancel();
  return done;
}
