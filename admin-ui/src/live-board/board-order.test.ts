import { describe, expect, it } from "vitest";
import { BoardOrder } from "./board-order.ts";

const entries = (ranks: Record<string, number>, leaving: string[] = []) =>
  Object.entries(ranks).map(([id, rank]) => ({ id, rank, leaving: leaving.includes(id) }));

describe("the order of the board", () => {
  it("sorts by rank at once, then at most every five seconds", () => {
    const order = new BoardOrder();
    expect(order.arrange(entries({ a: 1, b: 3, c: 2 }), 0, false)).toEqual(["b", "c", "a"]);
    expect(order.arrange(entries({ a: 9, b: 3, c: 2 }), 4999, false)).toEqual(["b", "c", "a"]);
    expect(order.stale).toBe(true);
    expect(order.arrange(entries({ a: 9, b: 3, c: 2 }), 5000, false)).toEqual(["a", "b", "c"]);
    expect(order.stale).toBe(false);
  });

  it("moves nothing while somebody points at it or has the keyboard in it", () => {
    const order = new BoardOrder();
    order.arrange(entries({ a: 1, b: 2 }), 0, false);
    expect(order.arrange(entries({ a: 9, b: 2 }), 60_000, true)).toEqual(["b", "a"]);
    expect(order.arrange(entries({ a: 9, b: 2 }), 60_001, false)).toEqual(["a", "b"]);
  });

  it("puts new calls at the end until the next sort, and leaves ended ones where they are", () => {
    const order = new BoardOrder();
    order.arrange(entries({ a: 1, b: 2 }), 0, false);
    expect(order.arrange(entries({ a: 1, b: 2, c: 50 }, ["b"]), 1000, true)).toEqual(["b", "a", "c"]);
    expect(order.arrange(entries({ a: 1, b: 2, c: 50 }, ["b"]), 6000, false)).toEqual(["c", "a"]);
  });

  it("drops at once what does not exist any more", () => {
    const order = new BoardOrder();
    order.arrange(entries({ a: 1, b: 2 }), 0, false);
    expect(order.arrange(entries({ a: 1 }), 10, true)).toEqual(["a"]);
  });

  it("sorts now when asked to, and answers the same array when nothing moves", () => {
    const order = new BoardOrder();
    const first = order.arrange(entries({ a: 1, b: 2 }), 0, false);
    expect(order.arrange(entries({ a: 1, b: 2 }), 9000, false)).toBe(first);
    expect(order.arrange(entries({ a: 3, b: 2 }), 9001, true, true)).toEqual(["a", "b"]);
  });

  it("keeps equal ranks in a fixed order", () => {
    const order = new BoardOrder();
    expect(order.arrange(entries({ c: 1, a: 1, b: 1 }), 0, false)).toEqual(["a", "b", "c"]);
  });
});
