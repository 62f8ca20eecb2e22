// The map of coverage by area.

import { geo } from "@observablehq/plot";
import { classesOf, classOf } from "./classes.js";
import { count, FAINT, INK, percent, picture, svg } from "./plot.js";
import { areasOf, bordersOf, extentOf } from "./shapes.js";

const WITHHELD = "ims-withheld";

function hatch() {
  const lines = svg("path", { d: "M-2 2L2 -2M0 8L8 0M6 10L10 6", stroke: "#768692", "stroke-width": 1.5 });
  const ground = svg("rect", { width: 8, height: 8, fill: "#fff" });
  return svg("defs", {}, svg("pattern", { id: WITHHELD, width: 8, height: 8, patternUnits: "userSpaceOnUse" }, ground, lines));
}

function legend(classes, withheld) {
  const list = document.createElement("ul");
  list.className = "ims-legend";
  list.setAttribute("aria-label", "Colours of the map");
  const entry = (fill, text) => {
    const item = document.createElement("li");
    const swatch = svg("rect", { x: 0.5, y: 0.5, width: 23, height: 15, fill, stroke: FAINT });
    item.append(svg("svg", { width: 24, height: 16, "aria-hidden": "true", focusable: "false" }, swatch), text);
    list.append(item);
  };
  for (const { from, to, colour } of classes) entry(colour, to >= 100 ? `${from}% or more` : `${from}% to under ${to}%`);
  if (withheld) entry(`url(#${WITHHELD})`, "withheld: small numbers");
  return list;
}

function titleOf({ name, coverage, vaccinated, eligible }) {
  if (coverage === null || coverage === undefined) return `${name}\nwithheld because numbers are small`;
  const people = eligible ? `\n${count(vaccinated)} of ${count(eligible)} eligible people` : "";
  return `${name}\n${percent(coverage)} vaccinated${people}`;
}

/** Draws `{level, href, areas}`; returns the elements that make up the map. */
export function drawMap({ level, href, areas }, { width, label, shapes }) {
  const outlines = areasOf(shapes, level);
  const shown = areas.filter(({ code }) => outlines.has(code)).map((area) => ({ ...outlines.get(area.code), area }));
  if (shown.length === 0) {
    const text = document.createElement("p");
    text.className = "ims-chart__state";
    text.textContent = "None of these areas has an outline to draw. The table has the numbers.";
    return [text];
  }
  const known = shown.filter(({ area }) => typeof area.coverage === "number");
  const withheld = shown.filter(({ area }) => typeof area.coverage !== "number");
  const classes = classesOf(known.map(({ area }) => area.coverage));

  const extent = extentOf(shown);
  const [east, north] = [extent[1][0] - extent[0][0], extent[1][1] - extent[0][1]];
  const inset = 4;
  const height = Math.round(Math.min((width - 2 * inset) * (north / east) + 2 * inset, Math.max(420, width * 1.3)));
  const listed = new Set(shown.map(({ code }) => code));
  const others = [...outlines.values()].filter(({ code }) => !listed.has(code));

  const borders = bordersOf(shapes, level);
  const line = level === "sub_icb" ? 0.5 : 0.8;

  const chart = picture({
    width, height, margin: 0, inset,
    projection: { type: "reflect-y", domain: { type: "MultiPoint", coordinates: extent } },
    marks: [
      geo(others, { fill: "#d8dde0" }),
      geo(withheld, { className: "ims-withheld-areas", fill: `url(#${WITHHELD})`, title: ({ area }) => titleOf(area) }),
      geo(known, { className: "ims-known-areas", fill: ({ area }) => classOf(classes, area.coverage).colour, title: ({ area }) => titleOf(area) }),
      // Dark lines on a light ground are seen between dark areas and between light ones.
      geo(borders, { stroke: "#fff", strokeWidth: line * 3, strokeLinejoin: "round", pointerEvents: "none" }),
      geo(borders, { stroke: INK, strokeWidth: line, strokeLinejoin: "round", pointerEvents: "none" }),
    ],
  }, `${label}. The table has the same numbers.`);
  chart.classList.add("ims-plot--map");
  chart.prepend(hatch());

  // A pointer's way to an area; the keyboard's are the links of the table, as a picture holds nothing to focus on.
  for (const [name, areasInIt] of href ? [["withheld", withheld], ["known", known]] : [])
    chart.querySelectorAll(`.ims-${name}-areas > path`).forEach((path, n) => {
      const code = encodeURIComponent(areasInIt[n].code);
      path.addEventListener("click", () => location.assign(href.replace(/\{code\}|%7Bcode%7D/, code)));
    });
  return [chart, legend(classes, withheld.length > 0)];
}
