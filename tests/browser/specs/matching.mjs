// Matching: what waits, one record beside its holder, and a decision that is undone, by mouse and by keyboard.

import assert from "node:assert/strict";
import { DESKTOP, PHONE, Skipped } from "../bench.mjs";

const REASON = "reference 4711";

/** The first record that waits, opened with a reason. */
async function open(bench, viewport = DESKTOP) {
  const page = await bench.staff("records-officer", "/matching", viewport);
  const link = page.locator("section[aria-labelledby=waiting] tbody th a").first();
  if (!await link.count()) throw new Skipped("nothing waits");
  await link.click();
  await page.waitForLoadState();
  const open = page.getByRole("button", { name: "Open the record" });
  if (await open.count()) {
    await page.getByLabel("Reason").fill(REASON);
    await open.click();
    await page.waitForLoadState();
  }
  await page.getByText("The record says").waitFor();
  return page;
}

export const tests = (bench) => ({
  ...Object.fromEntries([["desktop", DESKTOP], ["phone", PHONE]].map(([size, viewport]) => [
    `a record that waits is sound on a ${size}`, async () => {
      const page = await open(bench, viewport);
      const text = await page.locator("main").innerText();
      for (const part of ["waits", "Who holds it", "Date of birth", "Decide"]) assert.ok(text.includes(part), part);
      const name = await page.locator("tr", { hasText: "Family name" }).locator("td").first().innerText();
      assert.ok(!(await page.title()).includes(name) && !page.url().includes(name), "a name is in the title or the address");
      await bench.sound(page, `matching-record-${size}`);
    }])),

  "a decision without a reason is told at its field": async () => {
    const page = await open(bench);
    await page.getByRole("button", { name: "Leave as nobody's" }).click();
    await page.getByText("There is a problem").waitFor();
    assert.match(await page.locator("#reason-error").innerText(), /Say why/);
    await page.getByLabel("Reason").fill(REASON);
    await page.getByLabel("NHS number").fill("9990001015");
    await page.getByRole("button", { name: "Attach to this number" }).click();
    await page.getByText("There is a problem").waitFor();
    assert.match(await page.locator("#number-error").innerText(), /last digit/);
    await bench.sound(page, "matching-refused");
  },

  "a record is left as nobody's and brought back by keyboard alone": async () => {
    const page = await open(bench);
    const press = async (name) => {
      for (let n = 0; n < 80; n += 1) {
        await page.keyboard.press("Tab");
        if (await page.evaluate((text) => document.activeElement.textContent.trim() === text, name)) break;
      }
      await page.keyboard.press("Enter");
      await page.waitForLoadState();
    };
    const reason = async () => {
      await page.locator("#maincontent").focus();
      for (let n = 0; n < 20; n += 1) {
        await page.keyboard.press("Tab");
        if (await page.evaluate(() => document.activeElement.id === "reason")) break;
      }
      await page.keyboard.type(REASON);
    };
    await reason();
    await press("Leave as nobody's");
    await page.getByText("nobody's", { exact: true }).waitFor();
    await bench.sound(page, "matching-decided");
    await reason();
    await press("Undo the decision");
    await page.getByText("waits", { exact: true }).waitFor();
    await page.goto(bench.at("/matching"));
    assert.match(await page.locator("section[aria-labelledby=settled]").innerText(), /left as nobody's[\s\S]*no longer holds/);
    await bench.sound(page, "matching-settled");
  },

  "a form of another site decides nothing": async () => {
    const page = await open(bench);
    const answer = await page.context().request.post(page.url(), {
      headers: { origin: "https://example.org", "sec-fetch-site": "cross-site" }, form: { action: "leave", reason: REASON }, maxRedirects: 0 });
    assert.equal(answer.status(), 403);
  },
});
