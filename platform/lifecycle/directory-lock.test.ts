import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { lockDirectory } from "./directory-lock.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "earshot-lock-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

it("lets one in, names who is in, and lets the next one in after it", () => {
  const inside = join(directory, "made", "here");
  const release = lockDirectory(inside);
  expect(() => lockDirectory(inside)).toThrow(
    expect.objectContaining({ code: "data_directory_in_use", category: "conflict", details: { pid: process.pid } }),
  );
  release();
  expect(existsSync(join(inside, "LOCK"))).toBe(false);
  lockDirectory(inside)();
});

it("takes over from a process that is gone, from an earlier one of the same number, and from a lock without a name", () => {
  const { pid } = spawnSync("true");
  for (const holder of [`${pid}`, `${process.pid} another-boot 1`, "", "nonsense"]) {
    writeFileSync(join(directory, "LOCK"), holder);
    lockDirectory(directory)();
  }
});

it("says that the directory cannot be written", () => {
  writeFileSync(join(directory, "file"), "");
  expect(() => lockDirectory(join(directory, "file", "below"))).toThrow(
    expect.objectContaining({ code: "data_directory_unusable", category: "unavailable" }),
  );
});
