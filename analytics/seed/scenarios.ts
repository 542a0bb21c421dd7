/** What can be seeded. A day's calls follow from the day alone: seeding it again, or another range over it, makes the same calls. */
import type { Event } from "@earshot/proto/event.ts";
import { makeCall, type Staff } from "./make-call.ts";
import { randomOf } from "./random.ts";

export type Scenario = { readonly describe: string; readonly days: number; readonly callsPerDay: number; readonly badLines: number };

export const scenarios: Readonly<Record<string, Scenario>> = {
  month: { describe: "thirty days of ordinary business, quieter at weekends", days: 30, callsPerDay: 60, badLines: 0.04 },
  "busy-day": { describe: "yesterday with ten times the calls", days: 1, callsPerDay: 600, badLines: 0.04 },
  "bad-line": { describe: "three days on which a third of the callers had packet loss", days: 3, callsPerDay: 80, badLines: 0.35 },
};

const staff: readonly Staff[] = [
  "Ada Brandt",
  "Ben Okafor",
  "Chiara Rossi",
  "David Lind",
  "Elif Kaya",
  "Femi Adeyemi",
  "Greta Vogel",
  "Hugo Martin",
  "Ines Duarte",
  "Jonas Weber",
  "Kavya Rao",
  "Liam Byrne",
].map((name, index) => ({ name, extension: String(101 + index) }));
/** Share of a day's calls per hour from seven to nineteen. */
const hours = [2, 6, 11, 13, 12, 9, 8, 10, 11, 9, 6, 3];
const dayMs = 86_400_000;

/** The calls of each day, oldest day first; the last day is yesterday. */
export function* daysOf(name: string, tenant: string, nowMs: number, callsPerDay: number): Generator<Event[][]> {
  const scenario = scenarios[name]!;
  const today = Math.floor(nowMs / dayMs) * dayMs;
  for (let day = today - scenario.days * dayMs; day < today; day += dayMs) {
    const date = new Date(day).toISOString().slice(0, 10);
    const weekday = new Date(day).getUTCDay();
    const random = randomOf(`${name} ${date}`);
    const share = weekday === 0 ? 0.1 : weekday === 6 ? 0.35 : weekday === 1 ? 1.25 : 1;
    const count = Math.max(1, Math.round(callsPerDay * share * (0.85 + random.next() * 0.3)));
    const calls: Event[][] = [];
    for (let index = 0; index < count; index++) {
      const hour = 7 + random.weighted(hours);
      const startMs = day + hour * 3_600_000 + random.whole(0, 3_599_999);
      calls.push(
        makeCall(random, {
          tenant,
          id: `seed-${name}-${date}-${index}`,
          startMs,
          agent: random.pick(staff),
          badLine: random.chance(scenario.badLines),
        }),
      );
    }
    yield calls;
  }
}
