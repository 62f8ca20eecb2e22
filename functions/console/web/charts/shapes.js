// Areas of a level from the outlines of sub-ICB areas.

/** One feature an area of the level: all sub-ICB outlines that lie in it. Returns a Map by code. */
export function areasOf(shapes, level) {
  const areas = new Map();
  for (const { properties, geometry } of shapes.features) {
    const code = properties[level];
    if (!areas.has(code)) areas.set(code, { type: "Feature", code, geometry: { type: "MultiPolygon", coordinates: [] } });
    areas.get(code).geometry.coordinates.push(...geometry.coordinates);
  }
  return areas;
}

const key = (a, b) => (a[0] < b[0] || (a[0] === b[0] && a[1] < b[1]) ? `${a},${b}` : `${b},${a}`);

/**
 * The lines around the areas of a level, each once: a stretch of outline is a border unless the same area lies on both of its sides.
 * Neighbouring outlines have the same points where they meet.
 */
export function bordersOf(shapes, level) {
  const rings = shapes.features.flatMap(({ properties, geometry }) =>
    geometry.coordinates.flat().map((ring) => ({ code: properties[level], ring })));
  const sides = new Map();
  for (const { code, ring } of rings)
    for (let n = 1; n < ring.length; n += 1) {
      const at = key(ring[n - 1], ring[n]);
      if (!sides.has(at)) sides.set(at, []);
      sides.get(at).push(code);
    }
  const lines = [];
  for (const { ring } of rings) {
    let line = null;
    for (let n = 1; n < ring.length; n += 1) {
      const at = key(ring[n - 1], ring[n]);
      const codes = sides.get(at);
      const border = codes && (codes.length === 1 || codes.some((code) => code !== codes[0]));
      sides.delete(at);
      if (!border) line = null;
      else if (line) line.push(ring[n]);
      else lines.push((line = [ring[n - 1], ring[n]]));
    }
  }
  return { type: "MultiLineString", coordinates: lines };
}

/** [[west, south], [east, north]] of features. */
export function extentOf(features) {
  const extent = [[Infinity, Infinity], [-Infinity, -Infinity]];
  for (const feature of features)
    for (const [east, north] of feature.geometry.coordinates.flat(2)) {
      extent[0] = [Math.min(extent[0][0], east), Math.min(extent[0][1], north)];
      extent[1] = [Math.max(extent[1][0], east), Math.max(extent[1][1], north)];
    }
  return extent;
}
