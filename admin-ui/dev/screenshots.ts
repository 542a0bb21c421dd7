/** Takes pictures of every page against the fake API: `node admin-ui/dev/screenshots.ts <folder>`; needs a built `dist` and Chromium. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { chromium, type Page } from "playwright-core";
import { startFakeApi } from "./fake-api.ts";

const folder = process.argv[2] ?? "screenshots";
const only = process.argv[3];
mkdirSync(folder, { recursive: true });

const steps: [string, (page: Page) => Promise<void>][] = [
  ["board", async (page) => void (await page.goto("/live"), await page.getByRole("grid").waitFor(), await page.waitForTimeout(6500))],
  [
    "live-call",
    async (page) =>
      void (await page.goto("/live"),
      await page.getByRole("row").nth(1).click(),
      await page.locator(".turn").first().waitFor(),
      await page.waitForTimeout(1200)),
  ],
  ["calls", async (page) => void (await page.goto("/calls"), await page.locator(".call-table").waitFor(), await page.waitForTimeout(400))],
  [
    "calls-search",
    async (page) =>
      void (await page.goto("/calls?q=cancel&minAttention=20"),
      await page.locator(".hits").first().waitFor(),
      await page.waitForTimeout(400)),
  ],
  [
    "call-page",
    async (page) =>
      void (await page.goto("/calls/call-1000?t=28"), await page.locator(".turn").first().waitFor(), await page.waitForTimeout(900)),
  ],
  [
    "call-page-column",
    async (page) =>
      void (await page.goto("/calls/call-1008"),
      await page.locator(".ledger-step").first().waitFor(),
      await page.locator(".call-column section").nth(4).scrollIntoViewIfNeeded(),
      await page.waitForTimeout(400)),
  ],
  [
    "palette",
    async (page) =>
      void (await page.goto("/calls"),
      await page.locator(".call-table").waitFor(),
      await page.keyboard.press("Control+k"),
      await page.keyboard.type("dana"),
      await page.waitForTimeout(700)),
  ],
  ...["trunks", "extensions", "phrase-rules", "api-keys", "tenant", "status", "audit"].map(
    (name): [string, (page: Page) => Promise<void>] => [
      `settings-${name}`,
      async (page) => void (await page.goto(`/settings/${name}`), await page.waitForTimeout(900)),
    ],
  ),
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
      for (const [name, run] of steps) {
        if (only !== undefined && !name.startsWith(only)) continue;
        try {
          await run(page);
        } catch (error) {
          console.error(`${name} ${scheme} ${width}: ${String(error).split("\n")[0]}`);
        }
        await shot(page, name);
      }
      await page.context().close();
    }
  }
} finally {
  await browser.close();
  await api.stop();
  await empty.stop();
}
