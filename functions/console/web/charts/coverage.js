// Coverage of groups of people with its interval.

import { axisX, dot, gridX, ruleY, text } from "@observablehq/plot";
import { FAINT, INK, percent, picture, roughPercent } from "./plot.js";

const ROW = 46;
const COLOUR = "#003087";

const known = ({ coverage }) => typeof coverage === "number";

/** Draws `{groups}`, a row each: its name and value above a dot on the interval. Returns the elements that make up the chart. */
export function drawCoverage({ groups }, { width, label }) {
  if (!groups?.length) {
    const nothing = document.createElement("p");
    nothing.className = "ims-chart__state";
    nothing.textContent = "There is nobody in these groups yet.";
    return [nothing];
  }
  const top = Math.max(0.1, ...groups.filter(known).map(({ coverage, upper }) => upper ?? coverage));
  const rows = groups.map((group, n) => ({ ...group, row: n + 0.68, head: n + 0.28 }));
  const seen = rows.filter(known);
  const value = (group) => (known(group) ? percent(group.coverage) : "withheld");
  const chart = picture({
    width, height: groups.length * ROW + 34, marginTop: 4, marginRight: 8, marginBottom: 30, marginLeft: 8,
    x: { domain: [0, Math.min(1, Math.ceil(top * 10) / 10)], label: null },
    y: { domain: [0, groups.length], axis: null, reverse: true },
    marks: [
      gridX({ ticks: 5, stroke: FAINT, strokeOpacity: 0.25 }),
      axisX({ ticks: 5, tickFormat: roughPercent, tickSize: 0, color: INK }),
      ruleY(rows, { y: "row", stroke: FAINT, strokeOpacity: 0.35 }),
      ruleY(seen.filter(({ lower, upper }) => typeof lower === "number" && typeof upper === "number"), {
        y: "row", x1: "lower", x2: "upper", stroke: COLOUR, strokeWidth: 4, strokeOpacity: 0.45, strokeLinecap: "round",
      }),
      dot(seen, { y: "row", x: "coverage", r: 5, fill: COLOUR }),
      text(rows, { y: "head", frameAnchor: "left", text: "group", textAnchor: "start", fill: INK, lineWidth: (width - 90) / 14, textOverflow: "ellipsis" }),
      text(rows, { y: "head", frameAnchor: "right", text: value, textAnchor: "end", fill: (group) => (known(group) ? INK : FAINT), fontWeight: "bold" }),
    ],
  }, `${label}. ${groups.map((group) => `${group.group}: ${value(group)}`).join("; ")}.`);
  return [chart];
}
