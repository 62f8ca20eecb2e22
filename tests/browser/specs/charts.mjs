import assert from "node:assert/strict";
import { PHONE } from "../bench.mjs";

export const tests = (bench) => ({
  "every chart is drawn, at each level and on a phone": async () => {
    const campaign = await bench.firstCampaign();
    for (const [level, viewport] of [["region"], ["icb", PHONE], ["sub_icb"]]) {
      const page = await bench.staff("planner", `/picture?campaign=${campaign}&level=${level}`, viewport);
      const charts = (await bench.drawn(page)).map(({ chart }) => chart);
      for (const chart of ["map", "coverage"]) assert.ok(charts.includes(chart), `no ${chart}`);
      assert.ok(await page.locator("figure[data-chart=map] .ims-legend li").count() > 0, "the map has no legend");
    }
  },

  "a click on the map leads to the area": async () => {
    const page = await bench.staff("planner", `/picture?campaign=${await bench.firstCampaign()}&level=region`);
    await bench.drawn(page);
    const area = page.locator(".ims-known-areas > path, .ims-withheld-areas > path").first();
    assert.match(await area.locator("title").textContent(), /vaccinated|withheld/);
    await area.dispatchEvent("click");
    await page.waitForURL(/area=[A-Z0-9]+/);
  },

  "charts fit when the window changes": async () => {
    const page = await bench.staff("planner", `/picture?campaign=${await bench.firstCampaign()}`);
    await bench.drawn(page);
    await page.setViewportSize({ width: 320, height: 700 });
    await page.waitForFunction(() => [...document.querySelectorAll("figure[data-chart] svg[role=img]")]
      .every((svg) => Number(svg.getAttribute("width")) <= 320));
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= 320));
    assert.deepEqual(page.said, []);
  },

  "without outlines the page says that the map is missing and keeps its numbers": async () => {
    const campaign = await bench.firstCampaign();
    const page = await bench.staff("planner", "/campaigns");
    await page.route(/outlines\.[^/]*json$/, (route) => route.abort());
    await page.goto(bench.at(`/picture?campaign=${campaign}`));
    await page.getByText("The map could not be drawn; the table beside it has the same numbers. Reload the page to try again.").waitFor();
    assert.ok(await page.locator('section[aria-labelledby="areas"] tbody tr').count() > 0);
  },

  "without scripts everything is there but the pictures": async () => {
    const context = await bench.browser.newContext({ javaScriptEnabled: false });
    bench.contexts.push(context);
    const page = await context.newPage();
    await page.goto(bench.at(`/sign-in?${new URLSearchParams({ token: bench.tokens.analyst, next: "/picture" })}`));
    const text = await page.locator("main").innerText();
    assert.match(text, /Eligible/);
    assert.doesNotMatch(text, /Drawing the/);
    assert.ok(await page.locator("table tbody tr").count() > 0);
  },
});
