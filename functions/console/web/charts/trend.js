// Cumulative lines of what happened in a campaign.

import { axisX, axisY, dot, gridY, line, ruleY, text } from "@observablehq/plot";
import { count, FAINT, INK, picture } from "./plot.js";

// They differ in lightness and in dashes, not in hue alone.
const LINES = [
  { key: "invited", name: "Invited", colour: "#1d2a57", width: 2 },
  { key: "vaccinated", name: "Vaccinated", colour: "#00857a", width: 3 },
  { key: "called", name: "Called", colour: "#8f2c6b", width: 2, dash: "6 4" },
];
const DAY = 24 * 60 * 60 * 1000;
const LABEL = 34;

const date = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", timeZone: "UTC" }).format;

function sums(days, key) {
  let total = 0;
  const points = days.map((day) => ({ at: Date.parse(`${day.day}T00:00:00Z`), total: (total += day[key] ?? 0) }));
  return [{ at: points[0].at - DAY, total: 0 }, ...points];
}

/** Heights in pixels for labels that would like to be at `wanted`, at least LABEL apart and above `floor`. */
function apart(wanted, floor) {
  const order = wanted.map((y, n) => ({ y, n })).sort((a, b) => b.y - a.y);
  let limit = floor;
  for (const label of order) {
    label.y = Math.min(label.y, limit);
    limit = label.y - LABEL;
  }
  return order.sort((a, b) => a.n - b.n).map(({ y }) => y);
}

/** Draws `{days}`; returns the elements that make up the chart. */
export function drawTrend({ days }, { width, label }) {
  if (!days?.length) {
    const nothing = document.createElement("p");
    nothing.className = "ims-chart__state";
    nothing.textContent = "Nothing has happened in this campaign yet.";
    return [nothing];
  }
  const ordered = [...days].sort((a, b) => a.day.localeCompare(b.day));
  const lines = LINES.map((each) => ({ ...each, points: sums(ordered, each.key) }));
  const most = Math.max(1, ...lines.map(({ points }) => points.at(-1).total));
  const [height, top, right, bottom, left] = [300, 20, 88, 32, 52];
  const wanted = lines.map(({ points }) => height - bottom - (points.at(-1).total / most) * (height - bottom - top));
  const at = apart(wanted, height - bottom - 12);
  const first = lines[0].points[0].at;
  const last = lines[0].points.at(-1).at;
  const room = width - left - right;
  const every = Math.max(1, Math.ceil((last - first) / DAY / Math.max(1, Math.floor(room / 64))));
  const ticks = Array.from({ length: Math.floor((last - first) / DAY / every) + 1 }, (_, n) => last - n * every * DAY);

  const chart = picture({
    width, height, marginTop: top, marginRight: right, marginBottom: bottom, marginLeft: left,
    x: { type: "utc", domain: [first, last], label: null },
    y: { domain: [0, most], label: null },
    marks: [
      gridY({ ticks: 5, stroke: FAINT, strokeOpacity: 0.25 }),
      axisY({ ticks: 5, tickSize: 0, tickFormat: (n) => (Number.isInteger(n) ? count(n) : ""), color: INK }),
      axisX(ticks, { tickFormat: (day) => date(day), tickSize: 4, color: INK }),
      ruleY([0], { stroke: FAINT }),
      ...lines.flatMap(({ points, colour, width: strokeWidth, dash }, n) => [
        line(points, { x: "at", y: "total", stroke: colour, strokeWidth, strokeDasharray: dash, curve: "step-after" }),
        dot([points.at(-1)], { x: "at", y: "total", fill: colour, r: 3.5 }),
        text([points.at(-1)], {
          x: "at", y: "total", dx: 8, dy: at[n] - wanted[n], text: () => `${lines[n].name}\n${count(points.at(-1).total)}`,
          textAnchor: "start", lineAnchor: "middle", lineHeight: 1.1, fill: colour, fontWeight: "bold",
        }),
      ]),
    ],
  }, `${label}. From ${date(last - (last - first) + DAY)} to ${date(last)}: ` +
    `${lines.map(({ name, points }) => `${name.toLowerCase()} ${count(points.at(-1).total)}`).join(", ")}.`);
  return [chart];
}
