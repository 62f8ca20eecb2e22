import assert from "node:assert/strict";

export const tests = (bench) => ({
  "pages carry the headers that keep a browser safe": async () => {
    const page = await bench.staff("planner", "/picture");
    const headers = await page.answer.allHeaders();
    const policy = headers["content-security-policy"] ?? "";
    for (const part of ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"])
      assert.ok(policy.includes(part), `${part} is missing: ${policy}`);
    assert.doesNotMatch(policy, /unsafe|\*/);
    assert.equal(headers["x-content-type-options"], "nosniff");
    assert.match(headers["referrer-policy"], /no-referrer|same-origin/);
    assert.match(headers["cache-control"], /no-store/);
    assert.ok(headers["permissions-policy"] && headers["cross-origin-opener-policy"]);
  },

  "the session's cookie is out of reach of scripts and of other sites": async () => {
    const page = await bench.staff("planner", "/picture");
    const [cookie] = (await page.context().cookies()).filter(({ name }) => name === "ims_session");
    assert.ok(cookie, "there is no session cookie");
    assert.equal(cookie.httpOnly, true);
    assert.ok(["Lax", "Strict"].includes(cookie.sameSite));
    assert.equal(cookie.secure, bench.base.startsWith("https:"));
    assert.ok(cookie.expires > Date.now() / 1000, "the cookie has no end");
  },

  "another site's form is refused": async () => {
    const page = await bench.staff("planner", "/picture");
    const answer = await page.context().request.post(bench.at("/sign-out"), {
      headers: { origin: "https://example.org", "sec-fetch-site": "cross-site" }, maxRedirects: 0 });
    assert.equal(answer.status(), 403);
    await page.reload();
    assert.ok(await page.getByRole("button", { name: "Sign out" }).isVisible());
  },

  "assets are kept for long and come compressed": async () => {
    const page = await bench.staff("planner", "/picture");
    const places = await page.evaluate(() => [document.querySelector("link[rel=stylesheet]").href, document.querySelector("script[src]").src,
      document.querySelector("figure[data-outlines]")?.dataset.outlines].filter(Boolean).map((place) => new URL(place, location.href).href));
    assert.ok(places.length >= 2);
    for (const place of places) {
      const answer = await page.context().request.get(place, { headers: { "accept-encoding": "gzip" } });
      const headers = answer.headers();
      assert.equal(answer.status(), 200, place);
      assert.match(headers["cache-control"], /max-age=31536000/, place);
      assert.equal(headers["content-encoding"], "gzip", place);
    }
  },
});
