import assert from "node:assert/strict";
import { DESKTOP, PHONE, Skipped } from "../bench.mjs";

const LANGUAGES = { en: "ltr", cy: "ltr", ar: "rtl" };

/** The public's pages lie beside the console. */
const door = (bench, place = "") => new URL(`/r${place}`, bench.base).href;

/** The page of a message's link, in a language. */
async function opened(bench, language, viewport) {
  const link = process.env.IMS_REPLY_LINK;
  if (!link) throw new Skipped("IMS_REPLY_LINK is not set");
  const page = await bench.stranger(viewport);
  await page.goto(door(bench, `/${link}?lang=${language}`));
  return page;
}

export const tests = (bench) => ({
  ...Object.fromEntries(Object.entries(LANGUAGES).flatMap(([language, direction]) => [["desktop", DESKTOP], ["phone", PHONE]].flatMap(([size, viewport]) => [
    [`the form for a code is sound in ${language} on a ${size}`, async () => {
      const page = await bench.stranger(viewport);
      await page.goto(door(bench, `?lang=${language}`));
      assert.deepEqual(await page.evaluate(() => [document.documentElement.lang, document.documentElement.dir]), [language, direction]);
      assert.equal(await page.locator("script").count(), 0);
      await bench.sound(page, `reply-code-${language}-${size}`);
    }],
    [`what a link opens is sound in ${language} on a ${size}`, async () => {
      const page = await opened(bench, language, viewport);
      assert.ok(await page.locator('input[name="answer"]').count() >= 4);
      assert.equal(await page.locator("script").count(), 0);
      await bench.sound(page, `reply-link-${language}-${size}`);
    }],
  ]))),

  "a mistake is told at the top and beside its field, and leads there": async () => {
    const page = await bench.stranger(PHONE);
    await page.goto(door(bench, "?lang=en"));
    await page.locator("#code").fill("7K2M");
    await page.keyboard.press("Enter");
    await page.waitForSelector('[role="alert"]');
    assert.match(await page.title(), /^Error: /);
    assert.equal(await page.locator("#code").inputValue(), "7K2M", "what was typed is kept");
    assert.ok((await page.locator("#code").getAttribute("aria-describedby")).includes("code-error"));
    await bench.sound(page, "reply-mistake");
    await page.locator('[role="alert"] a').click();
    assert.equal(await page.evaluate(() => document.activeElement.id), "code");
  },

  "by keyboard alone somebody says that the message was not for them": async () => {
    const page = await opened(bench, "en", DESKTOP);
    await page.keyboard.press("Tab");
    assert.match(await page.evaluate(() => document.activeElement.textContent), /Skip to main content/);
    for (let n = 0; n < 20 && await page.evaluate(() => document.activeElement.name !== "answer"); n += 1) await page.keyboard.press("Tab");
    for (let n = 0; n < 9 && await page.evaluate(() => document.activeElement.value !== "wrong_person"); n += 1) await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await page.waitForURL(/\/answer$/);
    assert.match(await page.locator("main").innerText(), /We are sorry/);
    assert.match(await page.locator("footer").innerText(), /119/);
    await bench.sound(page, "reply-done");
  },

  "a link that nobody made opens nothing": async () => {
    const page = await bench.stranger();
    const answer = await page.goto(door(bench, "/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"));
    assert.equal(answer.status(), 404);
    await bench.sound(page, "reply-nowhere");
  },
});
