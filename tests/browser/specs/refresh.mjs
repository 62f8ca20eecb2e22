import assert from "node:assert/strict";

/** Picture with a clock that the test moves, and answers to its refreshes that the test makes of the real ones. */
async function watched(bench, answer) {
  const page = await bench.staff("planner", "/campaigns");
  await page.clock.install();
  await page.goto(bench.at(`/picture?campaign=${await bench.firstCampaign()}`));
  await page.locator(".ims-updated").waitFor();
  await bench.drawn(page);
  await page.route(/\/picture/, async (route) => (route.request().resourceType() === "fetch" ? answer(route) : route.continue()));
  return page;
}

const changed = async (route) => {
  const response = await route.fetch();
  const text = await response.text();
  return route.fulfill({
    response, body: text.replace(/data-version="[^"]*"/, 'data-version="newer"').replace(/<h1>[^<]*<\/h1>/, "<h1>Newer</h1>"),
  });
};

export const tests = (bench) => ({
  "a page that changed is put in place; focus and scroll stay": async () => {
    const page = await watched(bench, changed);
    const link = page.locator("tbody a").first();
    const name = await link.innerText();
    await link.focus();
    const scroll = await page.evaluate(() => { scrollTo(0, 400); return scrollY; });
    await page.clock.runFor(21_000);
    await page.getByRole("heading", { level: 1, name: "Newer" }).waitFor();
    await bench.drawn(page);
    assert.equal(await page.evaluate(() => document.activeElement.textContent), name);
    assert.ok(Math.abs((await page.evaluate(() => scrollY)) - scroll) < 3, "the page jumped");
    assert.match(await page.locator(".ims-updated").innerText(), /^Updated at \d\d:\d\d:\d\d/);
    assert.deepEqual(page.said, []);
  },

  "a form that is being filled in is left alone": async () => {
    const page = await watched(bench, changed);
    await page.locator("#level").selectOption("sub_icb");
    await page.clock.runFor(21_000);
    await page.getByText("There are newer figures.").first().waitFor();
    assert.equal(await page.locator("#level").inputValue(), "sub_icb");
  },

  "a refresh that fails is said, and the numbers stay": async () => {
    const page = await watched(bench, (route) => route.fulfill({ status: 502, body: "" }));
    const before = await page.locator("dl.ims-figures").innerText();
    await page.clock.runFor(21_000);
    await page.locator(".ims-updated--failed").getByText("could not be updated").waitFor();
    assert.equal(await page.locator("dl.ims-figures").innerText(), before);
    await page.unroute(/\/picture/);
    await page.clock.runFor(21_000);
    await page.locator(".ims-updated:not(.ims-updated--failed)").waitFor();
  },

  "a session that ended is said": async () => {
    const page = await watched(bench, (route) => route.continue());
    await page.context().clearCookies();
    await page.clock.runFor(21_000);
    await page.getByText("You have been signed out.").first().waitFor();
  },
});
