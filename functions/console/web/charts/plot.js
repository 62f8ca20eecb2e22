// What all charts share.

import { plot } from "@observablehq/plot";

export const INK = "#212b32";
export const FAINT = "#4c6272";

/** A number as it is written in the tables. */
export const count = new Intl.NumberFormat("en-GB").format;

/** A proportion as a percentage, to a decimal as in the tables. */
export const percent = new Intl.NumberFormat("en-GB", { style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 }).format;

/** A proportion as a whole percentage, for axes and legends. */
export const roughPercent = new Intl.NumberFormat("en-GB", { style: "percent", maximumFractionDigits: 0 }).format;

/**
 * Plot's chart as one picture with a name. Plot writes its rules into a <style> of its own, which the content security policy
 * forbids; app.css has them, so the element goes before the chart is put into the page.
 */
export function picture(options, label) {
  const svg = plot({ ...options, className: "ims-plot" });
  svg.querySelectorAll("style").forEach((style) => style.remove());
  // Plot names the parts of its chart; of a picture only the whole has a name.
  svg.querySelectorAll("[aria-label], [aria-description]").forEach((part) => {
    part.removeAttribute("aria-label");
    part.removeAttribute("aria-description");
  });
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", label);
  return svg;
}

export function svg(name, attributes, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}
