import assert from "node:assert/strict";

/** Presses Tab until what has the focus fits; fails if it never does. */
async function tabTo(page, fits, what) {
  for (let n = 0; n < 80; n += 1) {
    await page.keyboard.press("Tab");
    if (await page.evaluate(fits)) return;
  }
  assert.fail(`Tab does not reach ${what}`);
}

export const tests = (bench) => ({
  "the first stop is the link that skips to the main content": async () => {
    const page = await bench.staff("planner", "/picture");
    await page.keyboard.press("Tab");
    assert.match(await page.evaluate(() => document.activeElement.textContent), /Skip to main content/);
    assert.ok(await page.evaluate(() => document.activeElement.getBoundingClientRect().top >= 0), "the link is not seen");
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => location.hash === "#maincontent");
    // The next stop is in the main content, past the navigation.
    await page.keyboard.press("Tab");
    assert.ok(await page.evaluate(() => document.activeElement.closest("main") !== null));
  },

  "filters are reached and used": async () => {
    const page = await bench.staff("planner", `/picture?campaign=${await bench.firstCampaign()}`);
    await tabTo(page, () => document.activeElement.id === "level", "the filter");
    const seen = await page.evaluate(() => {
      const { boxShadow, outlineStyle, outlineWidth } = getComputedStyle(document.activeElement);
      return boxShadow !== "none" || (outlineStyle !== "none" && outlineWidth !== "0px");
    });
    assert.ok(seen, "the focus is not seen");
    const before = await page.evaluate(() => document.activeElement.value);
    await page.keyboard.press(before === "region" ? "ArrowDown" : "ArrowUp");
    await tabTo(page, () => document.activeElement.matches("form.ims-filters button"), "the button");
    await page.keyboard.press("Enter");
    await page.waitForURL(/level=/);
    assert.notEqual(await page.locator("#level").inputValue(), before);
  },

  "an area is opened from the table": async () => {
    const page = await bench.staff("planner", `/picture?campaign=${await bench.firstCampaign()}`);
    await tabTo(page, () => document.activeElement.matches("tbody a"), "an area");
    await page.keyboard.press("Enter");
    await page.waitForURL(/area=/);
  },

  "a campaign is opened": async () => {
    const page = await bench.staff("planner", "/campaigns");
    await tabTo(page, () => document.activeElement.matches('main a[href*="/campaigns/"]'), "a campaign");
    await page.keyboard.press("Enter");
    await page.waitForURL(/\/campaigns\/[^/]+$/);
  },

  "someone signs out": async () => {
    const page = await bench.staff("planner", "/campaigns");
    await tabTo(page, () => document.activeElement.textContent.trim() === "Sign out", "the way out");
    await page.keyboard.press("Enter");
    await page.waitForURL(/\/sign-in/);
  },
});
