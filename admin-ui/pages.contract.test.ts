/** The pages in a real browser against the fake API: what a supervisor does in a day, by mouse and by keyboard. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AxeResults } from "axe-core";
import { type Browser, chromium, type Page } from "playwright-core";
import { build } from "vite";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { type FakeApi, startFakeApi } from "./dev/fake-api.ts";
import { longScript, scripted } from "./dev/fake-calls.ts";

const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
const missing = !existsSync(executablePath);
if (missing && process.env.REQUIRE_SERVERS === "1") throw new Error(`REQUIRE_SERVERS=1, but there is no Chromium at ${executablePath}`);

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Two cores shared with other tests: what should be at once may take a few seconds. */
const soon = <T>(look: () => T) => expect.poll(look, { timeout: 15_000, interval: 100 });

describe.skipIf(missing)(`pages in Chromium${missing ? " (skipped: no Chromium; set CHROMIUM to its path)" : ""}`, () => {
  let dist = "";
  let browser: Browser;
  const open: { api: FakeApi; page: Page; problems: string[] }[] = [];

  beforeAll(async () => {
    dist = mkdtempSync(join(tmpdir(), "earshot-ui-"));
    await build({ configFile: join(import.meta.dirname, "vite.config.ts"), logLevel: "error", build: { outDir: dist, emptyOutDir: true } });
    browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--autoplay-policy=no-user-gesture-required"] });
  });
  afterAll(async () => {
    await browser?.close();
    if (dist !== "") rmSync(dist, { recursive: true, force: true });
  });
  afterEach(async () => {
    for (const { api, page } of open.splice(0)) {
      await page.context().close();
      await api.stop();
    }
  });

  async function visit(options: Parameters<typeof startFakeApi>[0] = {}, width = 1440) {
    const api = await startFakeApi({ dist, keepUp: true, pastCalls: 60, ...options });
    const page = await (
      await browser.newContext({ baseURL: api.url, viewport: { width, height: 860 }, reducedMotion: "reduce" })
    ).newPage();
    page.setDefaultTimeout(10_000);
    const problems: string[] = [];
    page.on("pageerror", (error) => problems.push(String(error)));
    page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
    open.push({ api, page, problems });
    return { api, page, problems };
  }

  async function signIn(page: Page): Promise<void> {
    await page.goto("/login");
    await page.getByLabel("Email").fill("admin@localhost");
    await page.getByLabel("Password").fill("secret");
    await page.keyboard.press("Enter");
    await page.waitForURL("**/live");
  }

  /** Does nothing reach out of the window to the side? */
  const fits = (page: Page) => page.evaluate(() => document.documentElement.scrollWidth <= document.documentElement.clientWidth);

  /** What axe finds, in words; a second or so. `rules`: only these, by axe's ids. */
  const faults = async (page: Page, rules?: string[]) => {
    if (!(await page.evaluate(() => "axe" in window))) await page.evaluate(axe);
    return page.evaluate(async (only) => {
      const { axe } = window as unknown as { axe: { run(root: Document, options: object): Promise<AxeResults> } };
      const { violations } = await axe.run(document, {
        runOnly: only ?? ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
        // What floats (menus, popovers) stands beside the landmarks, as it should.
        rules: only === undefined ? { region: { enabled: false } } : {},
        resultTypes: ["violations"],
        preload: false,
      });
      return violations.flatMap((rule) => rule.nodes.map((node) => `${rule.id}: ${node.html.slice(0, 160)} ${node.failureSummary ?? ""}`));
    }, rules);
  };

  /** The words that are marked as being heard. */
  const wordNow = (page: Page) =>
    page.evaluate(() => [...(CSS.highlights.get("word-now") ?? [])].map((range) => (range as Range).toString()).join(" "));

  async function clickWord(page: Page, word: string): Promise<void> {
    const box = await page
      .locator(".has-words", { hasText: word })
      .first()
      .evaluate((words, text) => {
        const walk = document.createTreeWalker(words, NodeFilter.SHOW_TEXT);
        while (walk.nextNode() !== null) {
          const from = walk.currentNode.textContent?.indexOf(text) ?? -1;
          if (from < 0) continue;
          const range = document.createRange();
          range.setStart(walk.currentNode, from);
          range.setEnd(walk.currentNode, from + text.length);
          const { x, y, width, height } = range.getBoundingClientRect();
          return { x: x + width / 2, y: y + height / 2 };
        }
        throw new Error(`no word ${text}`);
      }, word);
    await page.mouse.click(box.x, box.y);
  }

  it("lets one in by keyboard, says why not with a wrong password, and keeps what was typed", async () => {
    const { page } = await visit();
    await page.goto("/calls");
    await page.getByLabel("Email").fill("admin@localhost");
    await page.getByLabel("Password").fill("wrong");
    await page.keyboard.press("Enter");
    const alert = page.getByRole("alert");
    await alert.waitFor();
    expect(await alert.textContent()).toMatch(/Email or password is not right.*Type both again/);
    expect(await page.getByLabel("Email").inputValue()).toBe("admin@localhost");
    expect(await faults(page)).toEqual([]);
    await page.getByLabel("Password").fill("secret");
    await page.keyboard.press("Enter");
    // To the page that was asked for.
    await page.waitForURL("**/calls");
    await page.getByRole("heading", { name: "Calls" }).waitFor();
  });

  it("says when the session is over, and leads back to the same page", async () => {
    const { api, page } = await visit({ liveCalls: 1 });
    await signIn(page);
    await page.goto("/calls?q=cancel");
    await page.locator(".hits").first().waitFor();
    api.endSessions();
    api.cutConnections();
    await page.waitForURL("**/login?over");
    await page.getByText("Your session is over.").waitFor();
    await page.getByLabel("Email").fill("admin@localhost");
    await page.getByLabel("Password").fill("secret");
    await page.keyboard.press("Enter");
    await page.waitForURL("**/calls?q=cancel");
    // While the live connection stays up, the first refused question tells.
    await page.locator(".hits").first().waitFor();
    api.endSessions();
    await page.getByRole("button", { name: "Started" }).click();
    await page.waitForURL("**/login?over");
  });

  it("asks for an own password before anything else", async () => {
    const { page } = await visit({ mustChangePassword: true });
    await page.goto("/");
    await page.getByLabel("Email").fill("admin@localhost");
    await page.getByLabel("Password").fill("secret");
    await page.keyboard.press("Enter");
    await page.waitForURL("**/password");
    await page.goto("/calls");
    await page.waitForURL("**/password");
    await page.getByLabel("Password until now").fill("secret");
    await page.getByLabel("New password", { exact: true }).fill("correct horse");
    await page.getByLabel("New password again").fill("correct house");
    await page.getByRole("button", { name: "Change password" }).click();
    await page.getByText("The two new passwords differ.").waitFor();
    await page.getByLabel("New password again").fill("correct horse");
    await page.keyboard.press("Enter");
    await page.waitForURL("**/live");
  });

  it("walks from the board through a live call to its page by keyboard", async () => {
    const { page, problems } = await visit({ liveCalls: 3, speed: 4 });
    await signIn(page);
    const rows = page.locator(".board-row");
    await rows.nth(2).waitFor();
    await rows.first().focus();
    // By id: a call that comes in meanwhile changes every row's number.
    const next = await page.evaluate(() => (document.activeElement!.nextElementSibling as HTMLElement).dataset.id);
    await page.keyboard.press("ArrowDown");
    // The focus follows when the row is drawn.
    const id = () => page.evaluate(() => (document.activeElement as HTMLElement).dataset.id);
    await soon(id).toBe(next);
    await page.keyboard.press("Enter");
    await page.waitForURL(`**/live/${next}`);
    await page.locator(".turn").first().waitFor();
    // Words come in by themselves.
    const words = () => page.locator(".live-words").textContent();
    const before = await words();
    await soon(words).not.toBe(before);
    expect(await page.getByRole("button", { name: "Back to live" }).count()).toBe(0);
    // The call ends, and leads on.
    await page.getByRole("link", { name: "Open the call page" }).click({ timeout: 25_000 });
    await page.waitForURL(`**/calls/${next}`);
    await page.getByRole("slider", { name: "Position in the recording" }).waitFor();
    await page.locator(".ledger-step").nth(4).waitFor();
    expect(problems).toEqual([]);
  });

  it("says that a recording is still being put together, and shows it when it is there", async () => {
    const { page } = await visit({ liveCalls: 1, speed: 8, recordingTakesMs: 4000 });
    await signIn(page);
    await page.locator(".board-row").first().click();
    await page.getByRole("link", { name: "Open the call page" }).click({ timeout: 25_000 });
    await page.getByText("The recording is being put together").waitFor();
    await page.getByRole("slider", { name: "Position in the recording" }).waitFor();
  });

  it("plays a call: opens at ?t, follows word by word, obeys the keys, and a clicked word", async () => {
    const { page, problems } = await visit({ liveCalls: 0 });
    await signIn(page);
    let fetched = 0;
    page.on("request", (request) => request.url().endsWith("/recording") && fetched++);
    await page.goto("/calls/call-1000?t=28");
    const time = page.locator(".player-time");
    await soon(() => time.textContent()).toMatch(/^0:28/);
    await soon(() => wordNow(page)).toBe("November.");
    await page.keyboard.press("ArrowRight");
    await soon(() => time.textContent()).toMatch(/^0:33/);
    await page.keyboard.press("p");
    await soon(() => time.textContent()).toMatch(/^0:29/);
    await page.keyboard.press("n");
    await soon(() => time.textContent()).toMatch(/^0:(38|39)/);
    await clickWord(page, "contract.");
    await soon(() => wordNow(page)).toBe("contract.");
    const at = await time.textContent();
    // Who only reads has not listened, and is not on the audit log.
    expect(fetched).toBe(0);
    await page.keyboard.press("Space");
    await page.getByRole("button", { name: "Pause" }).waitFor();
    await soon(() => time.textContent()).not.toBe(at);
    expect(fetched).toBeGreaterThan(0);
    await page.keyboard.press("Space");
    await page.getByRole("button", { name: "Play", exact: true }).waitFor();
    expect(problems).toEqual([]);
  });

  it("opens two hours of talk at the moment asked for, with all words in the page, and plays on from there", async () => {
    const { page, problems } = await visit({ liveCalls: 0, pastCalls: 1, longTurns: 3000 });
    await signIn(page);
    const { segments } = scripted("call-long", longScript(3000));
    const turn = (place: number) => page.locator(`[data-segment="${segments[place]!.segmentId}"]`);
    const inView = (place: number) =>
      turn(place).evaluate((line) => {
        const [box, view] = [line.getBoundingClientRect(), line.closest(".call-words")!.getBoundingClientRect()];
        return box.top >= view.top && box.bottom <= view.bottom;
      });
    await page.goto(`/calls/call-long?t=${segments[2500]!.startMs / 1000}`);
    await soon(() => page.locator(".turn.shown").getAttribute("data-segment")).toBe(segments[2500]!.segmentId);
    await soon(() => page.locator(".turn").count()).toBe(3000);
    expect(await inView(2500)).toBe(true);
    expect(await page.locator(".call-words").textContent()).toContain(segments[10]!.text);
    await page.keyboard.press("n");
    await soon(() => page.locator(".turn.shown").last().getAttribute("data-segment")).toBe(segments[2501]!.segmentId);
    await page.keyboard.press("Space");
    await soon(() => wordNow(page)).not.toBe("");
    await page.keyboard.press("Space");
    // From one end to the other, and what is found lies where it is shown.
    await page.getByRole("slider", { name: "Position in the recording" }).press("Home");
    await page.keyboard.press("n");
    await soon(() => inView(0)).toBe(true);
    expect(await fits(page)).toBe(true);
    expect(problems).toEqual([]);
  });

  it("draws one turn when one more is spoken, however long the call is up", async () => {
    const { page, problems } = await visit({ liveCalls: 0, pastCalls: 1, longTurns: 1500, speed: 2 });
    await signIn(page);
    await page.goto("/live/live-long");
    const turns = () => page.locator(".turn").count();
    await soon(turns).toBeGreaterThan(1470);
    const count = await turns();
    // React keeps what an element was last drawn with at the element: a turn that is drawn again has another.
    const drawnAgain = (mark: boolean) =>
      page.evaluate((first) => {
        const drawn = (line: Element) =>
          (line as unknown as Record<string, unknown>)[Object.keys(line).find((key) => key.startsWith("__reactProps"))!];
        const kept = window as unknown as { drawn?: Map<Element, unknown> };
        const now = new Map([...document.querySelectorAll(".turn")].map((line) => [line, drawn(line)]));
        if (first) kept.drawn = now;
        return [...now].filter(([line, props]) => props === undefined || kept.drawn?.get(line) !== props).length;
      }, mark);
    expect(await drawnAgain(true)).toBe(0);
    await soon(turns).toBeGreaterThan(count + 1);
    const fresh = (await turns()) - count;
    // The new ones, and the last one before them, whose words settled and got their sentiment.
    expect(await drawnAgain(false)).toBeLessThanOrEqual(fresh + 2);
    expect(await page.getByRole("button", { name: "Back to live" }).count()).toBe(0);
    expect(problems).toEqual([]);
  });

  it("keeps filters in the URL, finds words in context, and moves by arrow keys", async () => {
    const { page, problems } = await visit({ liveCalls: 0 });
    await signIn(page);
    await page.goto("/calls");
    await page.locator(".call-table").waitFor();
    await page.keyboard.press("/");
    await page.keyboard.type("cancel");
    await page.keyboard.press("Enter");
    await page.waitForURL("**/calls?q=cancel");
    expect(await page.locator(".hits mark").first().textContent()).toBe("cancel");
    await page.getByRole("button", { name: "Filter" }).click();
    await page.getByRole("menuitem", { name: "Attention at least" }).click();
    await page.getByLabel("Attention at least").fill("60");
    await page.keyboard.press("Enter");
    await soon(() => new URL(page.url()).search).toBe("?q=cancel&minAttention=60");
    await page.reload();
    await page.getByRole("button", { name: "Attention at least 60", exact: true }).waitFor();
    await page.locator("tr[data-row='0']").focus();
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Enter");
    await page.waitForURL("**/calls/call-*");
    await page.goBack();
    await page.getByRole("button", { name: "Remove Attention at least 60" }).click();
    await soon(() => new URL(page.url()).search).toBe("?q=cancel");
    expect(problems).toEqual([]);
  });

  it("places a demo call from the empty board, and says how to get a speech engine", async () => {
    const { api, page } = await visit({ liveCalls: 0, speechUsable: false });
    await signIn(page);
    await page.getByText("nothing turns speech into words").waitFor();
    await page.getByText("apt install libpocketsphinx3").waitFor();
    await page.getByRole("button", { name: "Place a demo call" }).click();
    await page.locator(".board-row").waitFor();
    expect(api.placed).toEqual(["billing"]);
  });

  it("says that the connection is lost, keeps what was there, and fills the gap when it is back", async () => {
    const { api, page } = await visit({ liveCalls: 1 });
    await signIn(page);
    await page.locator(".board-row").first().click();
    await page.locator(".turn").first().waitFor();
    api.refuseLive = true;
    api.cutConnections();
    await page.getByText("The live connection is lost.").waitFor();
    const kept = await page.locator(".turn").count();
    expect(kept).toBeGreaterThan(0);
    await page.waitForTimeout(4000);
    expect(await page.locator(".turn").count()).toBeGreaterThanOrEqual(kept);
    api.refuseLive = false;
    await page.getByRole("button", { name: "Retry" }).click();
    await page.getByText("The live connection is lost.").waitFor({ state: "detached" });
    await soon(() => page.locator(".turn").count()).toBeGreaterThan(kept);
  });

  it("follows the words until somebody scrolls up, and back by the pill; a smaller window is no scrolling", async () => {
    const { page } = await visit({ liveCalls: 1, speed: 2 });
    await signIn(page);
    await page.locator(".board-row").first().click();
    await soon(() => page.locator(".turn").count()).toBeGreaterThan(4);
    await page.setViewportSize({ width: 1440, height: 420 });
    const fromEnd = () => page.locator(".live-scroll").evaluate((box) => Math.round(box.scrollHeight - box.scrollTop - box.clientHeight));
    await soon(fromEnd).toBeLessThan(4);
    await page.locator(".live-scroll").hover();
    await page.mouse.wheel(0, -150);
    const pill = page.getByRole("button", { name: "Back to live" });
    await pill.waitFor();
    const turns = await page.locator(".turn").count();
    await soon(() => page.locator(".turn").count()).toBeGreaterThan(turns);
    expect(await fromEnd()).toBeGreaterThan(48);
    await pill.click();
    await soon(fromEnd).toBeLessThan(4);
    await pill.waitFor({ state: "detached" });
  });

  it("listens only when asked to, from the board by L", async () => {
    const { page, problems } = await visit({ liveCalls: 2 });
    await signIn(page);
    await page.locator(".board-row").first().focus();
    expect(await page.getByRole("region", { name: "Listening" }).count()).toBe(0);
    await page.keyboard.press("l");
    const bar = page.getByRole("region", { name: "Listening" });
    await soon(() => bar.textContent()).toMatch(/^Listening/);
    await bar.getByRole("button", { name: "Stop" }).click();
    await bar.waitFor({ state: "detached" });
    expect(problems).toEqual([]);
  });

  it("swaps agent and caller on the live call: names, sides of the words already there, and of those to come", async () => {
    const { page, problems } = await visit({ liveCalls: 1, speed: 3 });
    await signIn(page);
    await page.locator(".board-row").first().click();
    await page.locator(".turn").first().waitFor();
    const first = page.locator(".turn").first();
    const heading = await page.locator("h1").textContent();
    const [agent, caller] = (heading ?? "").split(" and ");
    expect(await first.getAttribute("class")).toContain("agent");
    const words = await first.locator(".turn-text").textContent();
    await page.getByRole("button", { name: "Swap agent and caller" }).click();
    await soon(() => page.locator("h1").textContent()).toBe(`${caller} and ${agent}`);
    await soon(() => first.getAttribute("class")).toContain("caller");
    expect(await first.locator(".turn-text").textContent()).toBe(words);
    await page.getByText("Agent and caller are swapped.").waitFor();
    expect(await page.locator(".legs").textContent()).toMatch(/Agent.*by .*correct/i);
    // One who speaks from now on stands on the new side too.
    const turns = await page.locator(".turn").count();
    await soon(() => page.locator(".turn").count()).toBeGreaterThan(turns + 1);
    const sides = await page.locator(".turn").evaluateAll((all) => all.map((turn) => turn.classList.contains("agent")));
    expect(sides).toEqual(sides.map((_, index) => index % 2 === 1));
    // The call page of a call that is over does the same.
    await page.goto("/calls/call-1000");
    await page.locator(".turn.agent").first().waitFor();
    const before = await page.locator("h1").textContent();
    await page.getByRole("button", { name: "Swap agent and caller" }).click();
    await soon(() => page.locator(".turn").first().getAttribute("class")).toContain("caller");
    await soon(() => page.locator("h1").textContent()).toBe(before?.split(" and ").reverse().join(" and "));
    expect(problems).toEqual([]);
  });

  it("pauses the recording: it says so, no words come, and words come again after resuming", async () => {
    const { page, problems } = await visit({ liveCalls: 1, speed: 3 });
    await signIn(page);
    await page.locator(".board-row").first().click();
    await page.locator(".turn").first().waitFor();
    await page.getByRole("button", { name: "Pause recording" }).click();
    const resume = page.getByRole("button", { name: "Resume recording" });
    await resume.waitFor();
    await page.locator(".live-head").getByText("recording paused").waitFor();
    // Who was speaking is cut off within a tick; from then on the transcript stands still.
    await page.waitForTimeout(800);
    const transcript = () => page.locator(".live-scroll").textContent();
    const kept = await transcript();
    await page.waitForTimeout(3000);
    expect(await transcript()).toBe(kept);
    await resume.click();
    await page.getByRole("button", { name: "Pause recording" }).waitFor();
    expect(await page.locator(".live-head").getByText("recording paused").count()).toBe(0);
    await soon(transcript).not.toBe(kept);
    expect(problems).toEqual([]);
  });

  it("stops a recording only when asked twice, and says how the call ended", async () => {
    const { page, problems } = await visit({ liveCalls: 1 });
    await signIn(page);
    await page.locator(".board-row").first().click();
    await page.locator(".turn").first().waitFor();
    await page.getByRole("button", { name: "Stop recording" }).click();
    const dialog = page.getByRole("dialog", { name: "Stop recording" });
    await dialog.getByText("talk on").waitFor();
    expect(await faults(page)).toEqual([]);
    await page.keyboard.press("Escape");
    await dialog.waitFor({ state: "detached" });
    expect(await page.getByText("This call has ended.").count()).toBe(0);
    await page.getByRole("button", { name: "Stop recording" }).click();
    await dialog.getByLabel("Reason").fill("no consent");
    await page.keyboard.press("Enter");
    await page.getByText("This call has ended.").waitFor();
    await page.getByText("Recording stopped.").waitFor();
    await soon(() => page.getByRole("button", { name: "Stop recording" }).isDisabled()).toBe(true);
    expect(problems).toEqual([]);
  });

  it("leads from an alert for what was not said to the moment it was due", async () => {
    const { page, problems } = await visit({ liveCalls: 1 });
    await signIn(page);
    await page.goto("/calls/call-1000");
    await page.locator(".turn").first().waitFor();
    await page.locator(".alert-line", { hasText: "Recording not announced" }).click();
    await soon(() => page.locator(".player-time").textContent()).toMatch(/^0:15/);
    expect(await page.locator(".turn.shown").count()).toBe(1);
    expect(problems).toEqual([]);
  });

  it("goes anywhere by Ctrl-K", async () => {
    const { page } = await visit({ liveCalls: 0 });
    await signIn(page);
    await page.getByText("No call is up").waitFor();
    await page.keyboard.press("Control+k");
    await page.getByRole("combobox", { name: "Find a call" }).fill("phrase");
    await page.keyboard.press("Enter");
    await page.waitForURL("**/settings/phrase-rules");
    await page.getByRole("button", { name: "Threatens to cancel" }).waitFor();
    expect(await faults(page)).toEqual([]);
  });

  it("lets a refused source in, shows a new key once, and takes a CSV line by line", async () => {
    const { page, problems } = await visit({ liveCalls: 0 });
    await signIn(page);
    await page.goto("/settings/trunks");
    await page.getByRole("button", { name: "Allow this source" }).first().click();
    await page.getByRole("menuitem", { name: "Add to Head office PBX" }).click();
    await page.getByRole("cell", { name: "10.31.4.7" }).first().waitFor();
    await soon(() => page.locator(".table").first().textContent()).toContain("10.31.4.7");
    await page.goto("/settings/api-keys");
    await page.getByRole("button", { name: "New API key" }).click();
    await page.getByLabel("Name").fill("Warehouse");
    await page.keyboard.press("Enter");
    expect(await page.locator("output").textContent()).toMatch(/^ek_/);
    await page.getByRole("button", { name: "I have it" }).click();
    await page.getByText("ek_9c1b…").waitFor();
    expect(await page.content()).not.toContain("ek_9c1b7e02");
    await page.goto("/settings/extensions");
    await page.getByRole("button", { name: "Import CSV" }).click();
    await page.getByLabel("Lines").fill("number,agentName\n2201,Ada Berg\n,No Number");
    await page.getByRole("button", { name: "Import", exact: true }).click();
    await page.getByText("Line 3").waitFor();
    expect(await page.getByLabel("Lines").inputValue()).toContain("No Number");
    expect(problems).toEqual([]);
  });

  it("leads to the field that was refused, and back to the row when the form is left", async () => {
    const { page } = await visit({ liveCalls: 0 });
    await signIn(page);
    await page.route("**/api/v1/trunks/*", (route) =>
      route.fulfill({
        status: 400,
        json: {
          error: {
            code: "invalid_body",
            message: "The trunk cannot be saved.",
            remedy: "Mend what is marked.",
            details: { fields: [{ field: "sourceNetworks/1", problem: "This is no IP address." }] },
          },
        },
      }),
    );
    await page.goto("/settings/trunks");
    const row = page.getByRole("button", { name: "Head office PBX" });
    await row.focus();
    await page.keyboard.press("Enter");
    const dialog = page.getByRole("dialog");
    await dialog.getByRole("button", { name: "Save" }).click();
    await dialog.getByText("Line 2: This is no IP address.").waitFor();
    await soon(() => page.evaluate(() => document.activeElement?.getAttribute("aria-invalid"))).toBe("true");
    await page.keyboard.press("Escape");
    await dialog.waitFor({ state: "detached" });
    await soon(() => row.evaluate((button) => button === document.activeElement)).toBe(true);
  });

  it("shows what could not be handled, replays it, and asks before it discards, by keyboard too", async () => {
    const { page, problems } = await visit();
    await signIn(page);
    await page.goto("/settings/queue");
    await page.getByRole("button", { name: "Words", exact: true }).waitFor();
    expect(await faults(page)).toEqual([]);
    await page.getByRole("button", { name: "Replay Words of call-1003" }).click();
    await page.getByText("Words replayed.").waitFor();
    await soon(() => page.getByRole("button", { name: "Words", exact: true }).count()).toBe(0);

    await page.getByRole("button", { name: "Audio", exact: true }).focus();
    await page.keyboard.press("Enter");
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("What is in it").waitFor();
    expect(await dialog.textContent()).toMatch(/media_undecodable.*nobody that could be read/);
    expect(await faults(page)).toEqual([]);
    await dialog.getByRole("button", { name: "Discard" }).click();
    await dialog.getByText("Discard it for good?").waitFor();
    await dialog.getByRole("button", { name: "Discard" }).click();
    await dialog.waitFor({ state: "detached" });
    await soon(() => page.getByRole("row").count()).toBe(2);

    await page.getByRole("button", { name: "Insights", exact: true }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Replay" }).click();
    await page.getByText("Nothing waits").waitFor();
    await page.getByRole("button", { name: "All", exact: true }).click();
    await soon(() => page.getByRole("row").count()).toBe(5);
    expect(problems).toEqual([]);
  });

  it("shows a supervisor no settings", async () => {
    const { page } = await visit({ liveCalls: 0, role: "supervisor" });
    await signIn(page);
    await page.getByText("No call is up").waitFor();
    expect(await page.getByRole("link", { name: "Settings" }).count()).toBe(0);
    await page.goto("/settings/trunks");
    await page.getByText("There is no page at this address").waitFor();
  });

  it("fits a window of 360 px", async () => {
    const { page, problems } = await visit({ liveCalls: 4 }, 360);
    await signIn(page);
    const pages = [
      ["/live", ".board-row"],
      ["/live/live-1", ".turn"],
      ["/calls", ".call-table"],
      ["/calls?q=cancel", ".hits"],
      ["/calls/call-1000", ".turn"],
      ...["trunks", "queue", "audit", "status"].map((name) => [`/settings/${name}`, ".table, .status-list"] as const),
    ] as const;
    for (const [path, ready] of pages) {
      await page.goto(path);
      await page.locator(ready).first().waitFor();
      expect([path, await fits(page)]).toEqual([path, true]);
    }
    expect(problems).toEqual([]);
  });

  it("has every action of a list and the listen bar in reach at 360 px", async () => {
    const { page } = await visit({ liveCalls: 4, speed: 0.01 }, 360);
    await signIn(page);
    await page.locator(".board-row").first().focus();
    await page.keyboard.press("l");
    const bar = page.getByRole("region", { name: "Listening" });
    await bar.waitFor();
    const inside = (box: { x: number; y: number; width: number; height: number } | null) =>
      box !== null && box.x >= 0 && box.x + box.width <= 360 && box.y + box.height <= 860;
    for (const path of ["Calls", "Settings"]) {
      await page.getByRole("link", { name: path, exact: true }).click();
      await page.locator(".table").first().waitFor();
      await page.locator(".main").evaluate((main) => main.scrollTo(0, 400));
      expect((await bar.boundingBox())!.y).toBeGreaterThan(700);
    }
    const allow = page.getByRole("button", { name: "Allow this source" }).first();
    await allow.scrollIntoViewIfNeeded();
    expect(inside(await allow.boundingBox())).toBe(true);
    await page.goto("/settings/audit");
    await page.getByText("Changed a trunk").first().waitFor();
    expect(inside(await page.getByRole("link", { name: "Audit log" }).boundingBox())).toBe(true);
  });

  it.each(["/live", "/live/live-1", "/calls/call-1000"])("fits 720 by 450, a window zoomed to twice its size: %s", async (path) => {
    const { page, problems } = await visit({ liveCalls: 4 }, 720);
    await page.setViewportSize({ width: 720, height: 450 });
    await signIn(page);
    await page.goto(path);
    await page.locator(".board-row, .turn").first().waitFor();
    expect(await fits(page)).toBe(true);
    // What stays in sight while one scrolls leaves most of the window to what is scrolled.
    const main = page.locator(".main");
    await main.evaluate((box) => box.scrollTo(0, box.scrollHeight));
    const stuck = await main.evaluate((box) => {
      const head = box.querySelector(".call-wave")?.getBoundingClientRect().bottom ?? 0;
      return Math.max(0, head - box.getBoundingClientRect().top) / box.clientHeight;
    });
    expect(stuck).toBeLessThan(0.2);
    if (path.startsWith("/calls")) {
      expect(await page.getByRole("button", { name: "Play", exact: true }).isVisible()).toBe(true);
      expect(stuck).toBeGreaterThan(0.05);
    }
    expect(problems).toEqual([]);
  });

  it.each([1440, 360])("shows hundreds of calls with a few dozen rows in the page, %i px wide", async (width) => {
    // Their time all but stands still: none ends or comes in while we look, however slow the machine.
    const { page } = await visit({ liveCalls: 400, speed: 0.0001 }, width);
    await signIn(page);
    await page.locator(".board-row").first().waitFor();
    expect(await page.getByRole("grid").getAttribute("aria-rowcount")).toBe("401");
    expect(await page.locator(".board-row").count()).toBeLessThan(40);
    await page.locator(".board-row").first().focus();
    await page.keyboard.press("End");
    await soon(() => page.evaluate(() => document.activeElement?.getAttribute("aria-rowindex"))).toBe("401");
  });

  it("asks before a shorter retention deletes calls; a longer one is saved at once", async () => {
    const { page, problems } = await visit();
    await signIn(page);
    await page.goto("/settings/tenant");
    const days = page.getByLabel("Days to keep calls");
    const save = page.getByRole("button", { name: "Save" });
    const saved = async (act: () => Promise<void>) => {
      const [request] = await Promise.all([page.waitForRequest((one) => one.method() === "PATCH"), act()]);
      return (request.postDataJSON() as { retentionDays: number }).retentionDays;
    };
    await days.fill("120");
    expect(await saved(() => save.click())).toBe(120);
    await page.getByText("are saved").waitFor();
    await days.fill("30");
    await page.keyboard.press("Enter");
    await page.getByText("Delete every call that began more than 30 days ago, for good?").waitFor();
    await page.getByRole("button", { name: "Go back" }).click();
    expect(await days.inputValue()).toBe("30");
    await save.click();
    expect(await saved(() => page.getByRole("button", { name: "Save and delete" }).click())).toBe(30);
    expect(problems).toEqual([]);
  });

  // Some seconds on a free machine; axe is all CPU, and a busy one makes it long.
  it("stands before axe on every page, in both themes", { timeout: 150_000 }, async () => {
    const { page } = await visit({ liveCalls: 4, pastCalls: 9 });
    await signIn(page);
    const pages: [path: string, ready: string, act?: () => Promise<unknown>][] = [
      ["/live", ".board-row", () => page.getByRole("button", { name: /^Alerts/ }).click()],
      ["/live/live-1", ".turn", () => page.keyboard.press("l")],
      ["/calls?q=cancel", ".hits"],
      ["/calls?agent=nobody", ".empty", () => page.getByRole("button", { name: "Views" }).click()],
      ["/calls/call-1008?t=4", ".ledger-step"],
      ["/settings/trunks", ".table", () => page.getByRole("button", { name: "Head office PBX" }).click()],
      ["/settings/tenant", ".single-form"],
      ["/settings/status", ".status-list"],
      ["/nowhere", ".empty"],
    ];
    for (const [path, ready, act] of pages) {
      await page.emulateMedia({ colorScheme: "light" });
      await page.goto(path);
      await page.locator(ready).first().waitFor();
      await act?.();
      expect([path, await faults(page)]).toEqual([path, []]);
      // Every colour is a pair in the palette; these pages have all of the marks.
      if (path.startsWith("/settings") || path === "/nowhere") continue;
      await page.emulateMedia({ colorScheme: "dark" });
      // The colours follow within a frame or two.
      await soon(() => faults(page, ["color-contrast"])).toEqual([]);
    }
  });
});
