// What the tests share: the browser, staff of each role, and what must hold on every page.

import assert from "node:assert/strict";
import { mkdir, readFile } from "node:fs/promises";
import path from "node:path";
import axe from "axe-core";

/** A test that cannot say anything here, and why. */
export class Skipped extends Error {}

function needed(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set`);
  return value;
}

export const DESKTOP = { width: 1280, height: 900 };
export const PHONE = { width: 390, height: 844 };

/** A number as the console writes it. */
export const written = (number) => number.toLocaleString("en-GB");

export class Bench {
  static async open(chromium) {
    const bench = new Bench();
    bench.base = needed("IMS_CONSOLE").replace(/\/$/, "");
    bench.tokens = JSON.parse(needed("IMS_TOKENS"));
    bench.demo = process.env.IMS_DEMO_JSON ? JSON.parse(await readFile(process.env.IMS_DEMO_JSON, "utf8")) : null;
    bench.screenshots = process.env.IMS_SCREENSHOTS;
    if (bench.screenshots) await mkdir(bench.screenshots, { recursive: true });
    bench.browser = await chromium.launch({
      executablePath: process.env.IMS_CHROMIUM || "/usr/bin/chromium",
      headless: true,
      args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
    });
    bench.contexts = [];
    return bench;
  }

  async closePages() {
    await Promise.all(this.contexts.splice(0).map((context) => context.close()));
  }

  close() {
    return this.browser.close();
  }

  /** The address of a page of the console. */
  at(place) {
    return this.base + place;
  }

  /** A page nobody is signed in on. `page.said` collects what the browser's console said. */
  async stranger(viewport = DESKTOP) {
    const context = await this.browser.newContext({ viewport, locale: "en-GB", timezoneId: "Europe/London" });
    this.contexts.push(context);
    const page = await context.newPage();
    page.setDefaultTimeout(15_000);
    page.said = [];
    page.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) page.said.push({ text: message.text(), at: message.location().url });
    });
    page.on("pageerror", (error) => page.said.push({ text: error.stack ?? error.message, at: page.url() }));
    return page;
  }

  /** A page that someone with this role signed in on by link, at a place of the console. */
  async staff(role, place = "/", viewport = DESKTOP) {
    const token = this.tokens[role];
    if (!token) throw new Skipped(`IMS_TOKENS has no ${role}`);
    const page = await this.stranger(viewport);
    await page.goto(this.at(`/sign-in?${new URLSearchParams({ token, next: "/" })}`));
    page.said.length = 0;
    page.answer = await page.goto(this.at(place));
    return page;
  }

  /** Campaigns that can be chosen on Picture; those of the demo, if there is one. */
  async campaigns() {
    if (this.demo) return Object.keys(this.demo.campaigns);
    const page = await this.staff("analyst", "/picture");
    return page.locator("#campaign option").evaluateAll((options) => options.map((option) => option.value));
  }

  async firstCampaign() {
    const [campaign] = await this.campaigns();
    if (!campaign) throw new Skipped("there is no campaign");
    return campaign;
  }

  /** Waits until no chart of the page is being drawn any more, then asserts that each is there. */
  async drawn(page) {
    await page.waitForFunction(() => !document.body.innerText.includes("Drawing the "));
    const charts = await page.locator("figure[data-chart]").evaluateAll((figures) => figures.map((figure) => ({
      chart: figure.dataset.chart,
      pictures: figure.querySelectorAll('svg[role="img"][aria-label]').length,
      text: figure.querySelector(".ims-chart__state")?.textContent ?? "",
    })));
    for (const { chart, pictures, text } of charts) assert.ok(pictures === 1, `the ${chart} was not drawn: ${text}`);
    return charts;
  }

  /** What must hold on every page: it fits, the browser has nothing to complain about, axe finds nothing serious. */
  async sound(page, name) {
    if (this.screenshots) await page.screenshot({ path: path.join(this.screenshots, `${name}.png`), fullPage: true });
    const [wide, room] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
    assert.ok(wide <= room, `the page is ${wide} px wide in a window of ${room} px`);
    // The browser notes that a page was answered with an error, which the page itself explains.
    const said = page.said.filter(({ text, at }) => !(at === page.url() && /^Failed to load resource: the server responded with a status of 4/.test(text)));
    assert.deepEqual(said, [], "the browser's console is not clean");
    await page.evaluate(axe.source);
    const found = await page.evaluate(() => globalThis.axe.run());
    const bad = found.violations.filter(({ impact }) => ["serious", "critical"].includes(impact));
    assert.deepEqual(bad.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes[0].html.slice(0, 160)}`), [], "axe found something serious");
    assert.match(await page.title(), /\S/);
    assert.equal(await page.locator("h1").count(), 1, "a page has one first heading");
  }
}
