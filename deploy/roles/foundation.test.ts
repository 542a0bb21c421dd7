import { expect, test } from "vitest";
import { withoutPassword } from "./foundation.ts";

test.each([
  ["postgres://earshot:se@cret@host:5432/earshot?sslmode=verify-full", "postgres://***@host:5432/earshot?sslmode=verify-full"],
  [
    "postgres://host/earshot?user=earshot&password=secret&sslmode=disable",
    "postgres://host/earshot?user=earshot&password=***&sslmode=disable",
  ],
  ["kafka://user:secret@one:9092,two:9092/prefix", "kafka://***@one:9092,two:9092/prefix"],
  ["clickhouse://host:8123/earshot?note=a@b", "clickhouse://host:8123/earshot?note=a@b"],
  ["embedded:/data", "embedded:/data"],
])("what is printed of %s holds no password", (url, printed) => {
  expect(withoutPassword(url)).toBe(printed);
});
