// Drafts of a campaign's next version: rules changed, wrong rules told, and whom they would invite.

import assert from "node:assert/strict";
import { DESKTOP, PHONE } from "../bench.mjs";

/** Counting takes seconds; the page asks every two. */
const PATIENCE = 90_000;

async function edit(bench, viewport = DESKTOP) {
  const campaign = await bench.firstCampaign();
  const page = await bench.staff("planner", `/campaigns/${campaign}`, viewport);
  await page.getByRole("link", { name: "Change the rules and see whom they would invite" }).click();
  await page.waitForLoadState();
  return page;
}

/** The rules with a name of this test's own for people. */
async function change(page) {
  const rules = JSON.parse(await page.getByLabel("Rules", { exact: true }).inputValue());
  rules.CampaignConfig.Iterations[0].IterationRules.filter((rule) => rule.Type === "F").forEach((rule) => { rule.Name += " (draft)"; });
  return rules;
}

async function submit(page, rules) {
  await page.getByLabel("Rules", { exact: true }).fill(JSON.stringify(rules, null, 2));
  await page.getByRole("button", { name: "Check and count" }).click();
  await page.waitForLoadState();
}

export const tests = (bench) => ({
  ...Object.fromEntries([["desktop", DESKTOP], ["phone", PHONE]].map(([size, viewport]) => [
    `a draft is written, counted and explained on a ${size}`, async () => {
      const page = await edit(bench, viewport);
      await bench.sound(page, `draft-edit-${size}`);
      await submit(page, await change(page));
      await page.getByRole("heading", { name: "Whom it would invite" }).waitFor({ timeout: PATIENCE });
      const text = await page.locator("main").innerText();
      for (const part of ["Approved numbers", "would enter", "By integrated care board", "By age", "By ethnic group", "By deprivation decile", "This draft is saved"]) {
        assert.ok(text.includes(part), part);
      }
      await bench.sound(page, `draft-${size}`);
      await page.getByRole("link", { name: "Ten examples, explained" }).click();
      await page.waitForLoadState();
      await page.locator("details summary").first().click();
      assert.ok(await page.locator("main section").count() <= 10);
      await bench.sound(page, `draft-examples-${size}`);
    }])),

  "wrong rules come back with where and what": async () => {
    const page = await edit(bench);
    const rules = await change(page);
    rules.CampaignConfig.Type = "Q";
    rules.CampaignConfig.Iterations[0].IterationRules[0].Operator = "near";
    await submit(page, rules);
    const summary = await page.getByRole("alert").innerText();
    assert.match(summary, /2 mistakes/);
    assert.match(summary, /CampaignConfig\.Iterations\[0\]\.IterationRules\[0\]\.Operator/);
    assert.ok((await page.getByLabel("Rules", { exact: true }).inputValue()).includes("near"), "what was written is kept");
    await bench.sound(page, "draft-refused");
  },

  "a file takes the place of the rules": async () => {
    const page = await edit(bench);
    await page.getByLabel("Take the rules from a file").setInputFiles({ name: "rules.json", mimeType: "application/json", buffer: Buffer.from("{\"a\": 1}") });
    await page.waitForFunction(() => document.getElementById("rules").value === "{\"a\": 1}");
  },

  "drafts are for planners": async () => {
    const page = await bench.staff("analyst", `/campaigns/${await bench.firstCampaign()}/drafts`);
    assert.equal(page.answer.status(), 403);
    assert.match(await page.locator("main").innerText(), /Drafts are for planners/);
  },
});
