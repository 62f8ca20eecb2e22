// Turns <figure data-chart> into a chart: reads its JSON, says what is going on, and draws again when its width changes.

import { drawCoverage } from "./coverage.js";
import { drawMap } from "./map.js";
import { drawTrend } from "./trend.js";

const CHARTS = {
  map: { name: "map", draw: drawMap, outlines: true, table: "beside" },
  trend: { name: "chart", draw: drawTrend, table: "below" },
  coverage: { name: "chart", draw: drawCoverage, table: "beside" },
};

const fetched = new Map();

/** The parsed outlines of an address, asked for once a page; a failure is forgotten, so that the next chart asks again. */
function outlinesAt(address) {
  if (!fetched.has(address)) {
    const asked = fetch(address).then((response) => {
      if (!response.ok) throw new Error(`${address} answered ${response.status}`);
      return response.json();
    });
    asked.catch(() => fetched.delete(address));
    fetched.set(address, asked);
  }
  return fetched.get(address);
}

function say(figure, text) {
  const state = document.createElement("p");
  state.className = "ims-chart__state";
  state.textContent = text;
  figure.querySelector(".ims-chart__drawing")?.remove();
  figure.querySelector(".ims-chart__state")?.remove();
  figure.append(state);
}

/** Whole pixels that a chart may take. */
const widthOf = (figure) => Math.floor(figure.clientWidth);

async function show(figure) {
  const { name, draw, outlines, table } = CHARTS[figure.dataset.chart] ?? {};
  if (!draw || figure.dataset.shown) return;
  figure.dataset.shown = "yes";
  say(figure, `Drawing the ${name}…`);
  try {
    const data = JSON.parse(figure.querySelector('script[type="application/json"]').textContent);
    const shapes = outlines ? await outlinesAt(figure.dataset.outlines) : undefined;
    const label = figure.querySelector("figcaption")?.textContent.trim() ?? "";
    let drawn = 0;
    const redraw = () => {
      const width = widthOf(figure);
      if (width < 1 || width === drawn) return;
      drawn = width;
      const drawing = document.createElement("div");
      drawing.className = "ims-chart__drawing";
      drawing.append(...draw(data, { width, label, shapes }));
      figure.querySelector(".ims-chart__state")?.remove();
      const before = figure.querySelector(".ims-chart__drawing");
      if (before) before.replaceWith(drawing);
      else figure.append(drawing);
    };
    redraw();
    // A frame later, so that a chart that changes the page's height does not make the observer call itself.
    new ResizeObserver(() => requestAnimationFrame(() => figure.isConnected && redraw())).observe(figure);
  } catch (error) {
    say(figure, `The ${name} could not be drawn; the table ${table} it has the same numbers. Reload the page to try again.`);
    console.error(`${figure.dataset.chart}: ${error.message}`);
  }
}

/** Shows all charts below an element; those that are shown already stay. */
export function showCharts(root) {
  for (const figure of root.querySelectorAll("figure[data-chart]")) show(figure);
}
