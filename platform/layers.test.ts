import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const self = fileURLToPath(import.meta.url);
const root = resolve(dirname(self), "..");

/** Which rooms each room may import, itself apart. Dependencies point this way only. */
const mayImport: Record<string, readonly string[]> = {
  proto: [],
  platform: ["proto"],
  "sip-gateway": ["proto", "platform"],
  "media-pipeline": ["proto", "platform"],
  analytics: ["proto", "platform"],
  "admin-ui": ["proto"],
  deploy: ["proto", "platform", "sip-gateway", "media-pipeline", "analytics"],
  bench: ["proto", "platform", "sip-gateway", "media-pipeline", "analytics", "deploy"],
};

function* sources(directory: string): Generator<string> {
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    if (["node_modules", "dist", "gen", "data"].includes(entry.name) || entry.name.startsWith(".")) continue;
    const path = join(directory, entry.name);
    if (entry.isDirectory()) yield* sources(path);
    // This file's own examples are no imports.
    else if (path !== self && /\.(ts|tsx|mts|mjs|js)$/.test(entry.name)) yield path;
  }
}

const importPattern = /(?:\bfrom\s*|\bimport\s*\(\s*|\bimport\s+|\bnew URL\(\s*)["'`]([^"'`\n]+)["'`]/g;

/** The rooms that a file imports from, with the specifier. */
export function importedRooms(path: string, source: string): { room: string; rest: string; specifier: string }[] {
  const out: { room: string; rest: string; specifier: string }[] = [];
  for (const [, specifier] of source.matchAll(importPattern)) {
    if (specifier === undefined) continue;
    let target: string | undefined;
    if (specifier.startsWith("@earshot/")) target = specifier.slice("@earshot/".length);
    else if (specifier.startsWith(".")) target = relative(root, resolve(dirname(path), specifier));
    const [room, ...rest] = target?.split("/") ?? [];
    if (room !== undefined && room in mayImport) out.push({ room, rest: rest.join("/"), specifier });
  }
  return out;
}

function violations(room: string, path: string, source: string): string[] {
  const out: string[] = [];
  for (const { room: target, rest, specifier } of importedRooms(path, source)) {
    const where = `${relative(root, path)} imports ${specifier}`;
    if (target !== room && !mayImport[room]!.includes(target)) out.push(where);
    else if (room === "admin-ui" && target === "proto" && !rest.startsWith("api/")) out.push(`${where} (only proto/api)`);
  }
  return out;
}

describe("layers", () => {
  test.each(Object.keys(mayImport))("%s imports only what is below it", (room) => {
    const found: string[] = [];
    for (const path of sources(join(root, room))) found.push(...violations(room, path, readFileSync(path, "utf8")));
    expect(found).toEqual([]);
  });

  test("the walk finds the sources and their imports", () => {
    const seen = [...sources(join(root, "platform"))].flatMap((path) => importedRooms(path, readFileSync(path, "utf8")));
    expect(seen.filter(({ room }) => room === "proto").length).toBeGreaterThan(5);
    expect(seen.filter(({ room }) => room === "platform").length).toBeGreaterThan(20);
  });

  test.each([
    ["platform", 'import { x } from "@earshot/analytics/x.ts";'],
    ["analytics", 'import type { x } from "@earshot/sip-gateway/media/port.ts";'],
    ["analytics", 'import x from "../../media-pipeline/x.ts";'],
    ["proto", 'const x = await import("@earshot/platform/log/log.ts");'],
    ["platform", 'export * from "../../deploy/main.ts";'],
    ["admin-ui", 'import { topics } from "@earshot/proto/topics.ts";'],
    ["admin-ui", 'import "@earshot/platform/log/log.ts";'],
  ])("a forbidden import in %s is found: %s", (room, source) => {
    expect(violations(room, join(root, room, "folder", "file.ts"), source)).toHaveLength(1);
  });
});
