import assert from "node:assert/strict";

export const tests = (bench) => ({
  "a link signs in and leads to its page": async () => {
    const page = await bench.stranger();
    await page.goto(bench.at(`/sign-in?${new URLSearchParams({ token: bench.tokens.planner, next: "/campaigns" })}`));
    assert.equal(page.url(), bench.at("/campaigns"));
    assert.match(await page.locator("header").innerText(), /planner/);
  },

  "the form signs in": async () => {
    const page = await bench.stranger();
    await page.goto(bench.at("/sign-in"));
    assert.match(await page.locator("main").innerText(), /cargo ims token --staff NAME --role ROLE/);
    await page.getByLabel("Staff token").fill(bench.tokens.analyst);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.waitForURL(/\/picture/);
    assert.match(await page.locator("header").innerText(), /analyst/);
  },

  "a wrong token is refused and the page says why": async () => {
    const page = await bench.stranger();
    await page.goto(bench.at("/sign-in"));
    await page.getByLabel("Staff token").fill("not-a-token");
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByText("There is a problem").waitFor();
    assert.equal((await page.context().cookies()).length, 0);
    await bench.sound(page, "sign-in-refused");
  },

  "whoever is not signed in is asked to, and then comes where they wanted": async () => {
    const page = await bench.stranger();
    await page.goto(bench.at("/campaigns"));
    assert.equal(new URL(page.url()).pathname, new URL(bench.at("/sign-in")).pathname);
    await page.getByLabel("Staff token").fill(bench.tokens.planner);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.waitForURL(bench.at("/campaigns"));
  },

  "a link does not lead out of the console": async () => {
    const page = await bench.stranger();
    for (const next of ["https://example.org/", "//example.org/", "/\\example.org"]) {
      await page.goto(bench.at(`/sign-in?${new URLSearchParams({ token: bench.tokens.planner, next })}`));
      assert.equal(new URL(page.url()).origin, new URL(bench.base).origin);
    }
  },

  "after signing out pages ask to sign in": async () => {
    const page = await bench.staff("planner", "/picture");
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.waitForURL(/\/sign-in/);
    await page.goto(bench.at("/picture"));
    assert.match(page.url(), /\/sign-in/);
    assert.equal(await page.getByRole("button", { name: "Sign out" }).count(), 0);
  },
});
