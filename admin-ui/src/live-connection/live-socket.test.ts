import { describe, expect, it } from "vitest";
import { LiveSocket } from "./live-socket.ts";
import { LiveStore } from "./live-store.ts";

class ScriptedSocket {
  readyState = 0;
  binaryType = "";
  sent: string[] = [];
  onopen: (() => void) | null = null;
  onclose: (() => void) | null = null;
  onmessage: ((event: { data: string | ArrayBuffer }) => void) | null = null;
  send(text: string) {
    this.sent.push(text);
  }
  open() {
    this.readyState = 1;
    this.onopen?.();
  }
  close() {
    this.readyState = 3;
    this.onclose?.();
  }
  say(message: object) {
    this.onmessage?.({ data: JSON.stringify(message) });
  }
}

function surroundings() {
  let now = 1_000_000;
  let serial = 0;
  const timers = new Map<number, { at: number; run: () => void }>();
  const sockets: ScriptedSocket[] = [];
  return {
    sockets,
    pauses: () => [...timers.values()].map((timer) => timer.at - now),
    advance(ms: number) {
      const end = now + ms;
      for (;;) {
        const next = [...timers].filter(([, timer]) => timer.at <= end).sort((a, b) => a[1].at - b[1].at)[0];
        if (next === undefined) break;
        timers.delete(next[0]);
        now = next[1].at;
        next[1].run();
      }
      now = end;
    },
    around: {
      open: () => {
        const socket = new ScriptedSocket();
        sockets.push(socket);
        return socket as unknown as WebSocket;
      },
      now: () => now,
      later: (run: () => void, ms: number) => {
        serial += 1;
        timers.set(serial, { at: now + ms, run });
        return serial;
      },
      cancel: (timer: number) => void timers.delete(timer),
      random: () => 1,
    },
  };
}

const hello = {
  type: "hello",
  tenantId: "t",
  serverTime: new Date(0).toISOString(),
  cursor: "40",
  speech: { engine: "none", usable: false, reason: "", remedy: "" },
};

describe("the live socket", () => {
  it("asks for nothing on the first connection, and resumes from its cursor on the next", () => {
    const test = surroundings();
    const store = new LiveStore();
    const socket = new LiveSocket(store, test.around);
    socket.start();
    test.sockets[0]!.open();
    expect(test.sockets[0]!.sent).toEqual([]);
    test.sockets[0]!.say(hello);
    test.sockets[0]!.say({ type: "snapshot", cursor: "41", calls: [] });
    test.sockets[0]!.say({ type: "batch", cursor: "52", events: [] });
    test.sockets[0]!.close();
    expect(store.connection().state).toBe("lost");
    test.advance(600);
    test.sockets[1]!.open();
    expect(test.sockets[1]!.sent).toEqual([JSON.stringify({ type: "resume", cursor: "52" })]);
    // The new hello names a later cursor: what we have not seen must still be asked for.
    test.sockets[1]!.say({ ...hello, cursor: "90" });
    expect(store.cursor).toBe("52");
    expect(store.connection()).toMatchObject({ state: "open", lostSince: null });
  });

  it("asks for nothing again where the connection was lost before its first snapshot, so that one comes", () => {
    const test = surroundings();
    const store = new LiveStore();
    new LiveSocket(store, test.around).start();
    test.sockets[0]!.open();
    test.sockets[0]!.say(hello);
    test.sockets[0]!.close();
    test.advance(600);
    test.sockets[1]!.open();
    expect([store.cursor, test.sockets[1]!.sent]).toEqual([null, []]);
  });

  it("goes on from the snapshot where its cursor is refused, and troubles nobody", () => {
    const test = surroundings();
    const store = new LiveStore();
    const socket = new LiveSocket(store, test.around);
    const problems: string[] = [];
    socket.onProblem = (message) => problems.push(message);
    socket.start();
    test.sockets[0]!.open();
    test.sockets[0]!.say({ type: "snapshot", cursor: "41", calls: [] });
    test.sockets[0]!.say({ type: "error", code: "cursor_refused", message: "refused", remedy: "" });
    test.sockets[0]!.say({ type: "error", code: "other", message: "another", remedy: "" });
    expect([store.cursor, problems]).toEqual(["41", ["another"]]);
  });

  it("waits longer after each failure, at most 15 s, and begins anew once it has heard something", () => {
    const test = surroundings();
    const socket = new LiveSocket(new LiveStore(), test.around);
    socket.start();
    const pauses: number[] = [];
    for (let attempt = 0; attempt < 7; attempt += 1) {
      test.sockets.at(-1)!.close();
      pauses.push(Math.max(...test.pauses()));
      test.advance(20_000);
    }
    expect(pauses).toEqual([500, 1000, 2000, 4000, 8000, 15_000, 15_000]);
    test.sockets.at(-1)!.open();
    test.sockets.at(-1)!.say(hello);
    test.sockets.at(-1)!.close();
    expect(Math.max(...test.pauses())).toBe(500);
  });

  it("takes a silent connection for dead", () => {
    const test = surroundings();
    const store = new LiveStore();
    new LiveSocket(store, test.around).start();
    test.sockets[0]!.open();
    test.advance(10_000);
    expect(test.sockets[0]!.sent).toEqual([JSON.stringify({ type: "ping" })]);
    test.advance(30_000);
    expect(store.connection().state).toBe("lost");
  });

  it("stays away once it is stopped", () => {
    const test = surroundings();
    const socket = new LiveSocket(new LiveStore(), test.around);
    socket.start();
    socket.stop();
    test.advance(60_000);
    expect(test.sockets).toHaveLength(1);
    expect(socket.send({ type: "ping" })).toBe(false);
  });
});
