/** One who watches live calls and is moved from one API process to the next all the while, as behind a load balancer. */
import type { LiveEvent } from "@earshot/proto/api/live.ts";
import { clusterApiKey, type TestCluster } from "./cluster.ts";
import { type LiveWatch, watchLive } from "./live-watch.ts";

export type MovingWatch = {
  /** Everything that was told, in order, on whichever socket. */
  readonly events: readonly LiveEvent[];
  /** How often it went on at another process. */
  readonly moves: number;
  /** Types of messages that took the place of what was missed: none, where every socket went on where the one before it was. */
  readonly gaps: readonly string[];
  /** Moves no more, and goes on watching. */
  settle(): Promise<void>;
  close(): void;
};

/** Begins at the first API; moves on after `stayMs`, and is away for a quarter of that each time. */
export function watchMoving(cluster: TestCluster, apis: readonly string[], stayMs: number): MovingWatch {
  const watch = (api: string, cursor?: string): LiveWatch =>
    watchLive({ httpPort: cluster.role(api).ports.http, apiKey: clusterApiKey }, cursor);
  const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
  const past: LiveWatch[] = [];
  let live = watch(apis[0]!);
  let isSettled = false;
  const moving = (async () => {
    await pause(stayMs);
    while (!isSettled) {
      live.close();
      past.push(live);
      await pause(stayMs / 4);
      live = watch(apis[past.length % apis.length]!, live.cursor);
      await pause(stayMs);
    }
  })();
  return {
    get events() {
      return [...past, live].flatMap(({ events }) => events);
    },
    get moves() {
      return past.length;
    },
    get gaps() {
      const inPlace = new Set<string>(["snapshot", "summary", "error"]);
      // The first one begins with a snapshot.
      return [...past, live].slice(1).flatMap(({ messages }) => messages.map(({ type }) => type).filter((type) => inPlace.has(type)));
    },
    async settle() {
      isSettled = true;
      await moving;
    },
    close: () => live.close(),
  };
}
