// Person, Audit and one feed file: a reason first, and nothing personal in an address or a title.

import assert from "node:assert/strict";
import { DESKTOP, PHONE, Skipped } from "../bench.mjs";

// The first person of every synthetic population.
const NUMBER = process.env.IMS_PERSON ?? "9990000018";
const REASON = "reference 4711";

async function lookUp(bench, viewport = DESKTOP, number = NUMBER) {
  const page = await bench.staff("records-officer", "/person", viewport);
  await page.getByLabel("NHS number").fill(number);
  await page.getByLabel("Reason").fill(REASON);
  await page.getByRole("button", { name: "Look up" }).click();
  await page.waitForLoadState();
  if (/Nobody is known/.test(await page.locator("h1").innerText())) throw new Skipped(`nobody has the number ${number}`);
  return page;
}

export const tests = (bench) => ({
  ...Object.fromEntries([["desktop", DESKTOP], ["phone", PHONE]].flatMap(([size, viewport]) => [
    [`a record is sound on a ${size}`, async () => {
      const page = await lookUp(bench, viewport);
      const text = await page.locator("main").innerText();
      for (const part of ["Demographics", "Programmes", "Timeline", "Who has looked", REASON]) assert.ok(text.includes(part), part);
      assert.ok(!page.url().includes(NUMBER), "an NHS number is in the address");
      const name = await page.locator("h1").innerText();
      assert.ok(!(await page.title()).includes(name), "a name is in the title");
      await bench.sound(page, `person-${size}`);
    }],
    [`a person's trail is sound on a ${size}`, async () => {
      const page = await bench.staff("auditor", "/audit", viewport);
      await page.getByLabel("NHS number").fill(NUMBER);
      await page.getByLabel("Reason").first().fill(REASON);
      await page.getByRole("button", { name: "Show the person's trail" }).click();
      await page.waitForLoadState();
      if (/Nobody is known/.test(await page.locator("h1").innerText())) throw new Skipped(`nobody has the number ${NUMBER}`);
      assert.match(await page.locator("main").innerText(), /looked at the audit trail/);
      await bench.sound(page, `trail-${size}`);
    }],
    [`a feed file is sound on a ${size}`, async () => {
      const page = await bench.staff("engineer", "/feeds", viewport);
      const link = page.locator("tbody th a").first();
      if (!await link.count()) throw new Skipped("no feed file came");
      await link.click();
      await page.waitForLoadState();
      assert.match(await page.locator("main").innerText(), /Acknowledgements/);
      await bench.sound(page, `feed-file-${size}`);
    }],
  ])),

  "a wrong number is told at its field": async () => {
    const page = await bench.staff("records-officer", "/person");
    await page.getByLabel("NHS number").fill("9990001015");
    await page.getByRole("button", { name: "Look up" }).click();
    await page.getByText("There is a problem").waitFor();
    assert.match(await page.locator("#number-error").innerText(), /last digit/);
    assert.match(await page.locator("#reason-error").innerText(), /Say why/);
    await bench.sound(page, "look-up-refused");
  },

  "a record's address asks others for a reason, and refuses other roles": async () => {
    const place = new URL((await lookUp(bench)).url()).pathname.slice(new URL(bench.base).pathname.replace(/\/$/, "").length);
    for (const role of ["planner", "analyst", "engineer", "agent", "auditor"])
      assert.equal((await bench.staff(role, place)).answer.status(), 403, role);
  },

  "a form of another site opens no record": async () => {
    const page = await bench.staff("records-officer", "/person");
    const answer = await page.context().request.post(bench.at("/person"), {
      headers: { origin: "https://example.org", "sec-fetch-site": "cross-site" }, form: { number: NUMBER, reason: REASON }, maxRedirects: 0 });
    assert.equal(answer.status(), 403);
  },
});
