import { EarshotError } from "@earshot/proto/errors.ts";
import { expect, it } from "vitest";
import { Replicas, serverUrls } from "./replicas.ts";

it.each([
  ["clickhouse://host:8123/earshot", ["http://host:8123/earshot"]],
  ["clickhouses://u:p@host/earshot", ["https://u:p@host/earshot"]],
  ["http://u:a,b@one:8123,two:8124/earshot", ["http://u:a,b@one:8123/earshot", "http://u:a,b@two:8124/earshot"]],
  ["clickhouse://u:s%40c@[::1]:8123,one/db?x=a,b", ["http://u:s%40c@[::1]:8123/db?x=a,b", "http://u:s%40c@one/db?x=a,b"]],
])("takes %s apart", (url, expected) => {
  expect(serverUrls(url)).toEqual(expected);
});

it("leaves a replica that is of no use, once for all who found so, and no other", () => {
  const replicas = new Replicas(["one", "two"], 3);
  expect(replicas.url).toBe("two");
  const unreachable = new EarshotError("unavailable", "column_store_unreachable", "");
  expect(replicas.leaveAfter(new EarshotError("unavailable", "column_store_memory", ""), 0)).toBe(false);
  expect(replicas.leaveAfter(unreachable, 0)).toBe(true);
  expect([replicas.url, replicas.term]).toEqual(["one", 1]);
  // Of a statement that was begun before.
  expect(replicas.leaveAfter(unreachable, 0)).toBe(true);
  expect([replicas.url, replicas.term]).toEqual(["one", 1]);
  expect(new Replicas(["alone"]).leaveAfter(unreachable, 0)).toBe(false);
});
