// Classes of coverage for the map.

// ColorBrewer YlGnBu: from light to dark, told apart with any colour vision and in grey print.
const COLOURS = {
  1: ["#41b6c4"],
  2: ["#a1dab4", "#2c7fb8"],
  3: ["#edf8b1", "#7fcdbb", "#2c7fb8"],
  4: ["#ffffcc", "#a1dab4", "#41b6c4", "#225ea8"],
  5: ["#ffffcc", "#a1dab4", "#41b6c4", "#2c7fb8", "#253494"],
  6: ["#ffffcc", "#c7e9b4", "#7fcdbb", "#41b6c4", "#2c7fb8", "#253494"],
};

/**
 * At most six classes of equal width, with whole percentages as bounds, that hold all values (proportions). Each has `from` and `to`
 * in whole percent and a `colour`; a value on a bound belongs to the upper class, except 100%.
 */
export function classesOf(values) {
  if (values.length === 0) return [];
  const low = Math.min(...values) * 100;
  const high = Math.max(...values) * 100;
  for (const step of [1, 2, 5, 10, 20]) {
    // Against 56.99999999999999, which is 0.57 × 100.
    const first = Math.floor(low / step + 1e-9);
    const last = Math.max(Math.min(Math.floor(high / step + 1e-9), Math.ceil(100 / step) - 1), first);
    const number = last - first + 1;
    if (number <= 6)
      return Array.from({ length: number }, (_, n) => ({
        from: (first + n) * step, to: (first + n + 1) * step, colour: COLOURS[number][n],
      }));
  }
  return [];
}

/** The class that a value is in. */
export const classOf = (classes, value) =>
  classes.findLast(({ from }) => value * 100 >= from - 1e-7) ?? classes[0];
