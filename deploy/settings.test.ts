import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { allSettings, settingsDocument } from "./settings.ts";

test("deploy/docs/settings.md says what the code says (npm start -- --settings > deploy/docs/settings.md)", () => {
  expect(readFileSync(new URL("docs/settings.md", import.meta.url), "utf8").trim()).toBe(settingsDocument().trim());
});

test("every variable belongs to one setting and keeps to its own schema", () => {
  const specs = Object.values(allSettings).flatMap((table) => Object.values(table));
  const names = specs.map((spec) => spec.env);
  expect(new Set(names).size).toBe(names.length);
  for (const name of names) expect(name).toMatch(/^EARSHOT_[A-Z0-9_]+$/);
});
