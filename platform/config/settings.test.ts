import { expect, test } from "vitest";
import { defaultPlatformSettings, platformSettings } from "../settings.ts";
import { readSettings, setting, z } from "./settings.ts";

const tables = {
  http: {
    port: setting({ env: "EARSHOT_HTTP_PORT", schema: z.coerce.number().int().min(1).max(65_535), default: 8080, describe: "1 to 65535" }),
    key: setting({ env: "EARSHOT_ADMIN_API_KEY", schema: z.string().min(8), default: "", describe: "8 characters or more", secret: true }),
  },
  media: { verbose: setting({ env: "EARSHOT_VERBOSE", schema: z.stringbool(), default: false, describe: "true or false" }) },
};

test("values are read by table, defaults stand where nothing is given; an empty variable is nothing", () => {
  const { values, faults } = readSettings(tables, { EARSHOT_HTTP_PORT: "9000", EARSHOT_VERBOSE: "", PATH: "/bin" });
  expect(faults).toEqual([]);
  expect(values).toEqual({ http: { port: 9000, key: "" }, media: { verbose: false } });
});

test("all faults are reported at once, secrets are not repeated", () => {
  const { faults } = readSettings(tables, {
    EARSHOT_HTTP_PORT: "70000",
    EARSHOT_VERBOSE: "perhaps",
    EARSHOT_ADMIN_API_KEY: "short",
    EARSHOT_HTTP_PROT: "80",
  });
  expect(faults.map((fault) => fault.env).sort()).toEqual([
    "EARSHOT_ADMIN_API_KEY",
    "EARSHOT_HTTP_PORT",
    "EARSHOT_HTTP_PROT",
    "EARSHOT_VERBOSE",
  ]);
  expect(JSON.stringify(faults)).not.toContain("short");
  expect(faults.find((fault) => fault.env === "EARSHOT_HTTP_PROT")?.expects).toBe("did you mean EARSHOT_HTTP_PORT?");
  expect(faults.find((fault) => fault.env === "EARSHOT_HTTP_PORT")).toMatchObject({ given: "70000", expects: "1 to 65535" });
});

test("the platform's own table: names are distinct, every default passes its own schema, numbers and addresses are checked", () => {
  const names = Object.values(platformSettings).map((spec) => spec.env);
  expect(new Set(names).size).toBe(names.length);
  for (const spec of Object.values(platformSettings)) expect(spec.schema.safeParse(String(spec.default)).success, spec.env).toBe(true);
  const { values, faults } = readSettings({ platform: platformSettings }, {});
  expect(faults).toEqual([]);
  expect(values.platform).toEqual(defaultPlatformSettings());
  const bad = readSettings(
    { platform: platformSettings },
    { EARSHOT_EVENT_LOG: "zookeeper://x", EARSHOT_LOG_LEVEL: "loud", EARSHOT_EVENT_LOG_TAIL_BYTES: "-1" },
  );
  expect(bad.faults).toHaveLength(3);
});
