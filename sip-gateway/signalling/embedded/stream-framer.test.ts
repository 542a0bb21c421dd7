import { expect, test } from "vitest";
import { StreamFramer } from "./stream-framer.ts";

const framedOf = (framer: StreamFramer, text: string) => framer.push(Buffer.from(text));

test("keep-alives that come together are one ping that knows how many there were", () => {
  const framer = new StreamFramer(4096);
  expect(framedOf(framer, "\r\n\r\n".repeat(16_384))).toEqual([{ kind: "ping", count: 16_384 }]);
  expect(framedOf(framer, "\r\n\r")).toEqual([]);
  expect(framedOf(framer, "\n")).toEqual([{ kind: "ping", count: 1 }]);
});

test("keep-alives around messages are counted, and answered once, last", () => {
  const message = "OPTIONS sip:a SIP/2.0\r\nContent-Length: 0\r\n\r\n";
  const framed = framedOf(new StreamFramer(4096), `\r\n\r\n${message}\r\n\r\n\r\n\r\n${message}`);
  expect(framed.map((one) => (one.kind === "ping" ? one.count : one.kind))).toEqual(["message", "message", 3]);
});
