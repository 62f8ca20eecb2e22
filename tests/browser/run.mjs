// The console in a real browser. Needs a running console:
//
//     IMS_CONSOLE=http://127.0.0.1:8080/console IMS_TOKENS='{"planner":"…","analyst":"…","engineer":"…","agent":"…","records-officer":"…","auditor":"…"}' node run.mjs [WORD]
//
// With IMS_DEMO_JSON the numbers are compared with the demo's; with IMS_SCREENSHOTS every page is kept as a picture; IMS_CHROMIUM is the
// browser. WORD runs the tests whose names contain it. The last line says how many passed; the exit code is 1 if one failed.

import { chromium } from "playwright-core";
import { Bench, Skipped } from "./bench.mjs";

const word = process.argv[2] ?? "";
const bench = await Bench.open(chromium);
const counts = { passed: 0, failed: 0, skipped: 0 };
try {
  const specs = [
    "sign-in", "picture", "charts", "keyboard", "refresh", "headers", "pages", "people", "drafts", "matching",
    "reply",
  ];
  for (const spec of specs) {
    const { tests } = await import(`./specs/${spec}.mjs`);
    for (const [name, test] of Object.entries(tests(bench))) {
      if (!`${spec}: ${name}`.includes(word)) continue;
      try {
        await test();
        counts.passed += 1;
        console.log(`passed   ${spec}: ${name}`);
      } catch (error) {
        const skipped = error instanceof Skipped;
        counts[skipped ? "skipped" : "failed"] += 1;
        const why = skipped ? error.message : error.stack.split("\n").slice(0, 12).join("\n         ");
        console.log(`${skipped ? "skipped " : "FAILED  "} ${spec}: ${name}\n         ${why}`);
      } finally {
        await bench.closePages();
      }
    }
  }
} finally {
  await bench.close();
}
console.log(`${counts.passed} passed, ${counts.failed} failed${counts.skipped ? `, ${counts.skipped} skipped` : ""}`);
process.exitCode = counts.failed || !counts.passed ? 1 : 0;
