/** An event log with one deliberate fault, for proving that the contract suite finds it. Never part of the product. */

import { decodeEvent, encodeEvent } from "@earshot/proto/event.ts";
import { topics } from "@earshot/proto/topics.ts";
import type { EventLogHarness, MakeEventLog } from "./contract.ts";
import type { EventLog, LogRecord, Position } from "./port.ts";

export const faults = {
  "reorders a batch": reorders,
  "loses records": loses,
  "spreads one key over partitions": spreadsKeys,
  "swallows what a handler throws": swallows,
  "does not wait for handlers": doesNotWait,
  "forgets where a group stands": forgetsOffsets,
  "stores offsets before handling": storesEarly,
  "never begins anew": keepsEverything,
  "ignores maxAttempts": ignoresAttempts,
  "puts everything aside": putsEverythingAside,
  "hides the error's code": hidesCode,
  "keeps the caller's buffer": keepsBuffer,
  "takes more than its buffer holds": unbounded,
  "has no size limit": noLimit,
  "makes topics up": makesTopicsUp,
  "loses what was published in a crash": forgetsInCrash,
  "wakes subscribers late": late,
  "changes the bytes": changesBytes,
  "reads from the wrong place": readsWrong,
  "answers one reader at a time": readsAlone,
  "stops without waiting": stopsWithoutWaiting,
  "gives groups one pace": sharedGroups,
  "gives every member everything": everyMemberEverything,
  "refuses large dead letters": refusesLargeLetters,
  "says nothing waits": noLag,
  "shares topics out apart": sharesApart,
  "does not wait for assigned": assignsLate,
  "tells no member where it goes on": tellsTheBeginning,
  "hands over without revoking": neverRevokes,
  "calls hooks where nothing is shared": hooksForAll,
  "forgets old keys": neverCompacts,
  "always says it is well": alwaysWell,
} as const satisfies Record<string, (log: EventLog, state: FaultState) => EventLog>;
export type Fault = keyof typeof faults;
type FaultState = { starts: number; subscriptions: number };

export function breakEventLog(make: MakeEventLog, fault: Fault): MakeEventLog {
  return async () => {
    const harness = await make();
    const state: FaultState = { starts: 0, subscriptions: 0 };
    const wrap = (log: EventLog): EventLog => {
      state.starts++;
      return faults[fault](log, state);
    };
    const broken: EventLogHarness = {
      log: wrap(harness.log),
      restart: async () => wrap(await harness.restart()),
      crash: async () => {
        if (fault !== "loses what was published in a crash") return wrap(await harness.crash());
        const empty = await make();
        extra.push(empty);
        return wrap(empty.log);
      },
      async dispose() {
        await harness.dispose();
        for (const one of extra) await one.dispose();
      },
    };
    const extra: EventLogHarness[] = [];
    return broken;
  };
}

/** The log with some of its methods replaced. */
function withMethods(log: EventLog, changed: Partial<EventLog>): EventLog {
  return {
    name: log.name,
    health: () => log.health(),
    start: () => log.start(),
    stop: (deadlineMs) => log.stop(deadlineMs),
    declare: (specs) => log.declare(specs),
    append: (topic, key, value) => log.append(topic, key, value),
    publish: (topic, key, value) => log.publish(topic, key, value),
    flush: () => log.flush(),
    subscribe: (options) => log.subscribe(options),
    read: (topic, partition, from, max) => log.read(topic, partition, from, max),
    bounds: (topic) => log.bounds(topic),
    ...changed,
  };
}

function withHandler(log: EventLog, change: (handle: (batch: readonly LogRecord[]) => Promise<void> | void) => typeof handle): EventLog {
  return withMethods(log, { subscribe: (options) => log.subscribe({ ...options, handle: change((batch) => options.handle(batch)) }) });
}

function reorders(log: EventLog): EventLog {
  return withHandler(log, (handle) => (batch) => handle([...batch].reverse()));
}

function loses(log: EventLog): EventLog {
  let count = 0;
  const lost = (): boolean => ++count % 7 === 3;
  return withMethods(log, {
    append: (topic, key, value) => (lost() ? true : log.append(topic, key, value)),
    publish: async (topic, key, value): Promise<Position> => (lost() ? { partition: 0, offset: count } : log.publish(topic, key, value)),
  });
}

function spreadsKeys(log: EventLog): EventLog {
  let count = 0;
  return withMethods(log, {
    append: (topic, key, value) => log.append(topic, `${key}#${count++}`, value),
    publish: (topic, key, value) => log.publish(topic, `${key}#${count++}`, value),
  });
}

function swallows(log: EventLog): EventLog {
  return withHandler(log, (handle) => async (batch) => {
    try {
      await handle(batch);
    } catch {}
  });
}

function doesNotWait(log: EventLog): EventLog {
  return withHandler(log, (handle) => (batch) => {
    void Promise.resolve(handle(batch)).catch(() => {});
  });
}

function forgetsOffsets(log: EventLog, state: FaultState): EventLog {
  return withMethods(log, {
    subscribe: (options) => log.subscribe({ ...options, from: "earliest", group: `${options.group}-${state.starts}` }),
  });
}

function storesEarly(log: EventLog, state: FaultState): EventLog {
  return withMethods(log, {
    subscribe: (options) =>
      log.subscribe({ ...options, from: state.starts > 1 ? "latest" : options.from, group: `${options.group}-${state.starts}` }),
  });
}

function keepsEverything(log: EventLog): EventLog {
  return withMethods(log, { subscribe: (options) => log.subscribe({ ...options, durable: true }) });
}

function ignoresAttempts(log: EventLog): EventLog {
  return withMethods(log, { subscribe: (options) => log.subscribe({ ...options, maxAttempts: 1 }) });
}

function putsEverythingAside(log: EventLog): EventLog {
  return withHandler(log, (handle) => async (batch) => {
    try {
      await handle(batch);
    } catch (error) {
      throw new Error("without a category", { cause: error });
    }
  });
}

function hidesCode(log: EventLog): EventLog {
  return withMethods(log, {
    read: async (topic, partition, from, max) => {
      const records = await log.read(topic, partition, from, max);
      if (topic !== topics.deadLetter.name) return records;
      return records.map((record) => {
        const event = decodeEvent(record.value);
        if (event.payload.case === "deadLetter") event.payload.value.errorCode = "error";
        return { ...record, value: encodeEvent(event) };
      });
    },
  });
}

function keepsBuffer(log: EventLog): EventLog {
  const kept: (() => void)[] = [];
  return withMethods(log, {
    append: (topic, key, value) => {
      kept.push(() => log.append(topic, key, value));
      return true;
    },
    flush: async () => {
      for (const one of kept.splice(0)) one();
      await log.flush();
    },
  });
}

function unbounded(log: EventLog): EventLog {
  return withMethods(log, {
    append: (topic, key, value) => {
      log.append(topic, key, value);
      return true;
    },
  });
}

function noLimit(log: EventLog): EventLog {
  const cut = (value: Uint8Array): Uint8Array => value.subarray(0, 16 * 1024);
  return withMethods(log, {
    append: (topic, key, value) => log.append(topic, key, cut(value)),
    publish: (topic, key, value) => log.publish(topic, key, cut(value)),
  });
}

function makesTopicsUp(log: EventLog): EventLog {
  const known = (topic: string): string => (topic === "nowhere.v1" ? topics.deadLetter.name : topic);
  return withMethods(log, {
    append: (topic, key, value) => log.append(known(topic), key, value),
    publish: (topic, key, value) => log.publish(known(topic), key, value),
    subscribe: (options) => log.subscribe({ ...options, topics: options.topics.map(known) }),
    read: (topic, partition, from, max) => log.read(known(topic), partition, from, max),
    bounds: (topic) => log.bounds(known(topic)),
  });
}

function forgetsInCrash(log: EventLog): EventLog {
  return log;
}

function late(log: EventLog): EventLog {
  return withHandler(log, (handle) => async (batch) => {
    await new Promise((resolve) => setTimeout(resolve, 120));
    await handle(batch);
  });
}

function changesBytes(log: EventLog): EventLog {
  return withMethods(log, {
    publish: (topic, key, value) => log.publish(topic, key.replace(/[^ -~]/g, "?"), value),
  });
}

function readsWrong(log: EventLog): EventLog {
  return withMethods(log, { read: (topic, partition, from, max) => log.read(topic, partition, Math.max(0, from - 1), max) });
}

function stopsWithoutWaiting(log: EventLog): EventLog {
  return withMethods(log, {
    subscribe: async (options) => {
      const subscription = await log.subscribe(options);
      return {
        lag: () => subscription.lag(),
        drained: () => subscription.drained(),
        stop: async () => {
          void subscription.stop();
        },
      };
    },
  });
}

function sharedGroups(log: EventLog): EventLog {
  return withMethods(log, { subscribe: (options) => log.subscribe({ ...options, group: "all" }) });
}

function everyMemberEverything(log: EventLog, state: FaultState): EventLog {
  return withMethods(log, { subscribe: (options) => log.subscribe({ ...options, group: `${options.group}-${state.subscriptions++}` }) });
}

function refusesLargeLetters(log: EventLog): EventLog {
  return withMethods(log, {
    read: async (topic, partition, from, max) =>
      (await log.read(topic, partition, from, max)).filter((record) => topic !== topics.deadLetter.name || record.value.length < 16 * 1024),
  });
}

function readsAlone(log: EventLog): EventLog {
  let reading = 0;
  return withMethods(log, {
    async read(topic, partition, from, max) {
      if (reading > 0) throw new Error("another read is under way");
      reading++;
      try {
        return await log.read(topic, partition, from, max);
      } finally {
        reading--;
      }
    },
  });
}

function noLag(log: EventLog): EventLog {
  return withMethods(log, {
    subscribe: async (options) => {
      const subscription = await log.subscribe(options);
      return { lag: () => 0, drained: () => Promise.resolve(), stop: () => subscription.stop() };
    },
  });
}

function sharesApart(log: EventLog, state: FaultState): EventLog {
  return withMethods(log, {
    subscribe: async (options) => {
      const [first, ...others] = options.topics;
      const subscriptions = [await log.subscribe({ ...options, topics: [first!] })];
      const { assigned: _, revoked: __, ...rest } = options;
      for (const topic of others)
        subscriptions.push(await log.subscribe({ ...rest, topics: [topic], group: `${options.group}-${state.subscriptions++}` }));
      return {
        lag: () => subscriptions.reduce((sum, one) => sum + one.lag(), 0),
        drained: async () => void (await Promise.all(subscriptions.map((one) => one.drained()))),
        stop: async () => void (await Promise.all(subscriptions.map((one) => one.stop()))),
      };
    },
  });
}

function assignsLate(log: EventLog): EventLog {
  return withMethods(log, {
    subscribe: (options) =>
      log.subscribe({ ...options, assigned: (...taken) => void Promise.resolve(options.assigned?.(...taken)).catch(() => {}) }),
  });
}

function tellsTheBeginning(log: EventLog): EventLog {
  return withMethods(log, {
    subscribe: (options) => log.subscribe({ ...options, assigned: (taken, isOurs) => options.assigned?.(taken, isOurs, () => 0) }),
  });
}

function neverRevokes(log: EventLog): EventLog {
  return withMethods(log, { subscribe: ({ revoked: _, ...options }) => log.subscribe(options) });
}

function hooksForAll(log: EventLog): EventLog {
  return withMethods(log, {
    subscribe: async (options) => {
      if (options.durable === false)
        await options.assigned?.(
          [0],
          () => true,
          () => 0,
        );
      return log.subscribe(options);
    },
  });
}

function neverCompacts(log: EventLog): EventLog {
  return withMethods(log, { declare: (specs) => log.declare(specs.map((spec) => ({ ...spec, cleanup: "delete" as const }))) });
}

function alwaysWell(log: EventLog): EventLog {
  return withMethods(log, { health: () => ({ state: "up", detail: "" }) });
}
