import assert from "node:assert/strict";
import { DESKTOP, PHONE, Skipped } from "../bench.mjs";

const ROOMS = {
  "/picture": ["planner", "analyst", "engineer"],
  "/campaigns": ["planner", "analyst", "engineer"],
  "/waves": ["planner", "engineer"],
  "/messages": ["planner", "analyst", "engineer"],
  "/person": ["records-officer"],
  "/matching": ["records-officer"],
  "/feeds": ["planner", "engineer", "records-officer"],
  "/audit": ["auditor"],
  "/system": ["engineer"],
};
const ROLES = ["planner", "analyst", "engineer", "agent", "records-officer", "auditor"];

/** Pages with the role that looks at them, the status they answer with and a text that they show. */
const pages = (campaign) => [
  ["picture", "planner", `/picture?campaign=${campaign}`, 200, /Eligible/],
  ["picture-icb-of-london", "analyst", `/picture?campaign=${campaign}&area=Y56&level=icb`, 200, /London/],
  ["picture-sub-icb", "engineer", `/picture?campaign=${campaign}&level=sub_icb`, 200, /Coverage/],
  ["campaigns", "planner", "/campaigns", 200, /Campaigns/],
  ["campaign", "analyst", `/campaigns/${campaign}`, 200, /Who it is for/],
  ["waves", "planner", "/waves", 200, /Waves/],
  ["messages", "analyst", "/messages", 200, /Templates/],
  ["template", "planner", "/messages/templates/flu-invite-sms", 200, /somebody made up/],
  ["system", "engineer", "/system", 200, /System/],
  ["feeds", "planner", "/feeds", 200, /Feeds/],
  ["look-up", "records-officer", "/person", 200, /Look a person up/],
  ["matching", "records-officer", "/matching", 200, /What waits/],
  ["audit", "auditor", "/audit", 200, /Who looked at a person/],
  ["unknown-file", "engineer", "/feeds/no-such-file.csv", 404, /no-such-file/],
  ["home-of-an-agent", "agent", "/", 200, /No room for your role yet/],
  ["refused", "analyst", "/system", 403, /engineer/],
  ["unknown-campaign", "planner", "/campaigns/no-such-campaign", 404, /no-such-campaign/],
  ["picture-of-an-unknown-campaign", "planner", "/picture?campaign=no-such-campaign", 404, /no-such-campaign/],
  ["picture-of-an-unknown-area", "planner", `/picture?campaign=${campaign}&area=NOWHERE`, 404, /NOWHERE/],
  ["unknown-page", "planner", "/no-such-page", 404, /./],
];

export const tests = (bench) => ({
  ...Object.fromEntries(pages("CAMPAIGN").flatMap(([name], n) => [["desktop", DESKTOP], ["phone", PHONE]].map(([size, viewport]) => [
    `${name} is sound on a ${size}`, async () => {
      const [, role, place, status, text] = pages(await bench.firstCampaign())[n];
      const page = await bench.staff(role, place, viewport);
      assert.equal(page.answer.status(), status, place);
      assert.match(await page.locator("main").innerText(), text);
      // A page that tells a problem also tells a way on.
      if (status >= 400) assert.ok(await page.locator("main a, main p").count() > 0);
      await bench.drawn(page);
      await bench.sound(page, `${name}-${size}`);
    }]))),

  ...Object.fromEntries([["desktop", DESKTOP], ["phone", PHONE]].map(([size, viewport]) => [
    `sign-in is sound on a ${size}`, async () => {
      const page = await bench.stranger(viewport);
      await page.goto(bench.at("/sign-in"));
      await bench.sound(page, `sign-in-${size}`);
    }])),

  "each role has its rooms in the navigation and is refused the others": async () => {
    for (const role of ROLES) {
      if (!bench.tokens[role]) throw new Skipped(`IMS_TOKENS has no ${role}`);
      const page = await bench.staff(role, "/");
      const base = new URL(bench.base).pathname;
      const shown = await page.locator('nav[aria-label="Rooms"] a').evaluateAll((links) => links.map((link) => new URL(link.href).pathname));
      const own = Object.keys(ROOMS).filter((room) => ROOMS[room].includes(role));
      assert.deepEqual(shown.map((place) => place.slice(base.replace(/\/$/, "").length)).sort(), own.sort(), role);
      for (const [room, roles] of Object.entries(ROOMS)) {
        const answer = await page.goto(bench.at(room));
        assert.equal(answer.status(), roles.includes(role) ? 200 : 403, `${role} at ${room}`);
        if (!roles.includes(role)) {
          const text = await page.locator("main").innerText();
          for (const may of roles) assert.match(text, new RegExp(may), `${role} at ${room}`);
        }
      }
    }
  },

  "a printed picture has its numbers and no controls": async () => {
    const page = await bench.staff("analyst", `/picture?campaign=${await bench.firstCampaign()}`);
    await bench.drawn(page);
    await page.emulateMedia({ media: "print" });
    assert.equal(await page.locator("form.ims-filters").isVisible(), false);
    assert.equal(await page.locator("dl.ims-figures").isVisible(), true);
  },
});
