import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { Skipped, written } from "../bench.mjs";

const table = (page) => page.locator('section[aria-labelledby="areas"] table');

/** Rows of the table of areas as texts. */
const rows = (page) => table(page).locator("tbody tr").evaluateAll((all) =>
  all.map((row) => [...row.cells].map((cell) => cell.textContent.trim())));

/** Records of a CSV file with quoted fields. */
function records(text) {
  const lines = text.trim().split(/\r?\n/).map((line) =>
    [...line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)].map(([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? plain));
  const [header, ...rest] = lines;
  return rest.map((cells) => Object.fromEntries(header.map((name, n) => [name, cells[n]])));
}

const percent = (text) => Number.parseFloat(text.replace("%", ""));

export const tests = (bench) => ({
  "its numbers are the demo's": async () => {
    if (!bench.demo) throw new Skipped("IMS_DEMO_JSON is not set");
    for (const [campaign, expected] of Object.entries(bench.demo.campaigns)) {
      const page = await bench.staff("analyst", `/picture?campaign=${campaign}`);
      const shown = await page.locator("dl.ims-figures > div").evaluateAll((all) => Object.fromEntries(all.map((stage) => [
        stage.querySelector("dt").firstChild.textContent.trim(), stage.querySelector("dd").firstChild.textContent.trim()])));
      const { eligible, selected, sent, vaccinated, bookings, booked = bookings } = expected;
      assert.deepEqual(shown, {
        Eligible: written(eligible), Selected: written(selected), Invited: written(sent),
        ...(booked === undefined ? { Booked: shown.Booked } : { Booked: written(booked) }), Vaccinated: written(vaccinated),
        Called: written(expected.calls_made),
      }, campaign);
      const text = await page.locator("main").innerText();
      assert.match(text, new RegExp(`\\b${written(expected.calls_made)} calls? made`), campaign);
      assert.match(text, /Everyone selected is accounted for/, campaign);
    }
  },

  "a filter changes the address and what is shown": async () => {
    const page = await bench.staff("planner", `/picture?campaign=${await bench.firstCampaign()}`);
    const before = await rows(page);
    await page.getByLabel("Show").selectOption("icb");
    await page.getByRole("button", { name: "Show" }).click();
    await page.waitForURL(/level=icb/);
    const after = await rows(page);
    assert.notDeepEqual(after.map(([name]) => name), before.map(([name]) => name));

    await page.getByLabel("Area").selectOption("Y56");
    await page.getByRole("button", { name: "Show" }).click();
    await page.waitForURL(/area=Y56/);
    const london = await rows(page);
    assert.ok(london.length > 0 && london.every(([name]) => /London/.test(name)), london.map(([name]) => name).join(", "));

    // Sent to a colleague, the address shows the same.
    const colleague = await bench.staff("analyst", page.url().slice(bench.base.length));
    assert.deepEqual(await rows(colleague), london);
  },

  "campaigns have pictures of their own": async () => {
    const campaigns = await bench.campaigns();
    if (campaigns.length < 2) throw new Skipped("there is one campaign only");
    const page = await bench.staff("planner", `/picture?campaign=${campaigns[0]}`);
    const first = await page.locator("h1").innerText();
    await page.getByLabel("Campaign", { exact: true }).selectOption(campaigns[1]);
    await page.getByRole("button", { name: "Show" }).click();
    await page.waitForURL(new RegExp(`campaign=${campaigns[1]}`));
    assert.notEqual(await page.locator("h1").innerText(), first);
  },

  "the table is sorted by coverage both ways": async () => {
    const page = await bench.staff("analyst", `/picture?campaign=${await bench.firstCampaign()}&level=region`);
    const seen = [];
    for (let n = 0; n < 2; n += 1) {
      await Promise.all([page.waitForURL(/sort=coverage/), table(page).locator("thead").getByRole("link", { name: /Coverage/ }).click()]);
      await page.waitForLoadState();
      const header = table(page).locator("th[aria-sort]");
      assert.equal(await header.count(), 1);
      const order = await header.getAttribute("aria-sort");
      const values = (await rows(page)).map((cells) => percent(cells[3])).filter((value) => !Number.isNaN(value));
      const sorted = [...values].sort((a, b) => (order === "ascending" ? a - b : b - a));
      assert.deepEqual(values, sorted, order);
      assert.ok(values.length > 1);
      seen.push(order);
    }
    assert.deepEqual(seen.sort(), ["ascending", "descending"]);
  },

  "the download agrees with the table": async () => {
    const page = await bench.staff("analyst", `/picture?campaign=${await bench.firstCampaign()}&level=icb&sort=coverage&order=desc`);
    const shown = await rows(page);
    const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("link", { name: /CSV/ }).click()]);
    assert.match(download.suggestedFilename(), /\.csv$/);
    const file = records(await readFile(await download.path(), "utf8"));
    assert.equal(file.length, shown.length);
    file.forEach((record, n) => {
      const [name, eligible, vaccinated, coverage] = shown[n];
      assert.equal(record.area_name, name);
      if (eligible !== "withheld") assert.equal(written(Number(record.eligible)), eligible, name);
      else assert.equal(record.eligible, "", name);
      if (vaccinated !== "withheld") assert.equal(written(Number(record.vaccinated)), vaccinated, name);
      else assert.equal(record.vaccinated, "", name);
      if (!Number.isNaN(percent(coverage))) assert.ok(Math.abs(Number(record.coverage) * 100 - percent(coverage)) < 0.0501, name);
      else assert.equal(record.coverage, "", name);
    });
  },

  "the first load is under 300 kB": async () => {
    const place = `/picture?campaign=${await bench.firstCampaign()}`;
    const page = await bench.staff("planner", "/campaigns");
    const devtools = await page.context().newCDPSession(page);
    await devtools.send("Network.enable");
    await devtools.send("Network.setCacheDisabled", { cacheDisabled: true });
    let [bytes, number] = [0, 0];
    devtools.on("Network.loadingFinished", ({ encodedDataLength }) => { bytes += encodedDataLength; number += 1; });
    await page.goto(bench.at(place));
    await bench.drawn(page);
    await page.waitForLoadState("networkidle");
    console.log(`         first load of Picture: ${Math.round(bytes / 100) / 10} kB in ${number} requests`);
    assert.ok(number >= 4 && bytes > 50_000, "the load was not seen");
    assert.ok(bytes < 300_000, `${bytes} bytes`);
  },
});
