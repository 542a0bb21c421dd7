/** Takes pictures of every page against the fake API: `node admin-ui/dev/screenshots.ts <folder>`; needs a built `dist` and Chromium. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { chromium, type Page } from "playwright-core";
import { startFakeApi } from "./fake-api.ts";

const folder = process.argv[2] ?? "screenshots";
const only = process.argv[3];
mkdirSync(folder, { recursive: true });

interface Step {
  name: string;
  path: string;
  ready: string;
  settleMs?: number;
  act?: (page: Page) => Promise<unknown>;
}

const openFirst = (page: Page) => page.getByRole("row").nth(1).click();
const steps: Step[] = [
  { name: "board", path: "/live", ready: ".board-row", settleMs: 6500 },
  {
    name: "board-listening",
    path: "/live",
    ready: ".board-row",
    act: async (page) => {
      await page.locator(".board-row").nth(2).focus();
      await page.keyboard.press("l");
      await page.keyboard.press("ArrowDown");
    },
  },
  { name: "alerts", path: "/live", ready: ".board-row", act: (page) => page.getByRole("button", { name: /^Alerts/ }).click() },
  { name: "live-call", path: "/live", ready: ".board-row", settleMs: 1600, act: openFirst },
  {
    name: "live-call-lost",
    path: "/live",
    ready: ".board-row",
    act: async (page) => {
      await openFirst(page);
      await page.locator(".turn").first().waitFor();
      await page.keyboard.press("l");
      await page.waitForTimeout(600);
      api.refuseLive = true;
      api.cutConnections();
      await page.getByText("The live connection is lost.").waitFor();
      setTimeout(() => {
        api.refuseLive = false;
      }, 1500);
    },
    settleMs: 300,
  },
  { name: "calls", path: "/calls", ready: ".call-table" },
  { name: "calls-search", path: "/calls?q=cancel&minAttention=20", ready: ".hits" },
  { name: "calls-columns", path: "/calls", ready: ".call-table", act: (page) => page.getByRole("button", { name: "Columns" }).click() },
  { name: "calls-none", path: "/calls?agent=nobody", ready: ".empty" },
  { name: "call-page", path: "/calls/call-1000?t=28", ready: ".turn", settleMs: 2400 },
  {
    name: "call-page-column",
    path: "/calls/call-1008",
    ready: ".ledger-step",
    act: (page) => page.locator(".call-column section").nth(4).scrollIntoViewIfNeeded(),
  },
  {
    name: "palette",
    path: "/calls",
    ready: ".call-table",
    act: async (page) => {
      await page.keyboard.press("Control+k");
      await page.getByRole("combobox", { name: "Find a call" }).fill("dana");
      await page.waitForTimeout(500);
    },
  },
  ...["trunks", "extensions", "phrase-rules", "api-keys", "status", "queue", "audit"].map((name) => ({
    name: `settings-${name}`,
    path: `/settings/${name}`,
    ready: ".settings-page .panel td, .status-list",
  })),
  {
    name: "settings-queue-letter",
    path: "/settings/queue",
    ready: ".settings-page .panel td",
    act: async (page) => {
      await page.getByRole("button", { name: "Words", exact: true }).click();
      await page.getByLabel("What is in it").waitFor();
    },
  },
  { name: "settings-tenant", path: "/settings/tenant", ready: ".single-form" },
  {
    name: "settings-tenant-shorter",
    path: "/settings/tenant",
    ready: ".single-form",
    act: async (page) => {
      await page.getByLabel("Days to keep calls").fill("30");
      await page.getByRole("button", { name: "Save" }).click();
    },
  },
  {
    name: "settings-trunk-form",
    path: "/settings/trunks",
    ready: ".table",
    act: (page) => page.getByRole("button", { name: "Head office PBX" }).click(),
  },
  {
    name: "settings-import",
    path: "/settings/extensions",
    ready: ".table",
    act: async (page) => {
      await page.getByRole("button", { name: "Import CSV" }).click();
      await page.getByLabel("Lines").fill("number,agentName\n2201,Ada Berg\n,No Number\n2203,");
      await page.getByRole("button", { name: "Import", exact: true }).click();
      await page.getByText("not taken").waitFor();
    },
  },
];

const api = await startFakeApi({ keepUp: true, liveCalls: 18 });
const empty = await startFakeApi({ liveCalls: 0, pastCalls: 0, speechUsable: false });
const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
try {
  for (const scheme of ["light", "dark"] as const) {
    for (const width of [1440, 360]) {
      const open = async (url: string, sign: boolean) => {
        const context = await browser.newContext({
          baseURL: url,
          viewport: { width, height: width === 360 ? 780 : 900 },
          colorScheme: scheme,
          deviceScaleFactor: width === 360 ? 2 : 1,
        });
        const page = await context.newPage();
        page.on("console", (message) => message.type() === "error" && console.error(`${scheme} ${width}: ${message.text()}`));
        page.on("pageerror", (error) => console.error(`${scheme} ${width}: ${error.stack}`));
        await page.goto("/login");
        await page.getByLabel("Email").waitFor();
        if (!sign) return page;
        await page.getByLabel("Email").fill("admin@localhost");
        await page.getByLabel("Password").fill("secret");
        await page.getByRole("button", { name: "Sign in" }).click();
        await page.waitForURL("**/live");
        return page;
      };
      const shot = (page: Page, name: string) => page.screenshot({ path: join(folder, `${name}-${scheme}-${width}.png`) });
      if (only === undefined || only === "login") await shot(await open(api.url, false), "login");
      if (only === undefined || only === "board-empty") {
        const page = await open(empty.url, true);
        await page.getByText("No call is up").waitFor();
        await shot(page, "board-empty");
        await page.context().close();
      }
      const page = await open(api.url, true);
      for (const step of steps) {
        if (only !== undefined && !step.name.startsWith(only)) continue;
        try {
          await page.goto(step.path);
          await page.locator(step.ready).first().waitFor({ timeout: 8000 });
          await step.act?.(page);
          await page.waitForTimeout(step.settleMs ?? 500);
        } catch (error) {
          console.error(`${step.name} ${scheme} ${width}: ${String(error).split("\n")[0]}`);
        }
        await shot(page, step.name);
      }
      await page.context().close();
    }
  }
} finally {
  await browser.close();
  await api.stop();
  await empty.stop();
}
