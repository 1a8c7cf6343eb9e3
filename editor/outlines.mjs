// The outlines of countries for the small maps: rings of [longitude, latitude] in tenths of a degree, by ISO 3166-1 number.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { feature } from "topojson-client";

/** The package that the outlines come from. */
export const SOURCE = "node_modules/world-atlas";

/** Tenths of a degree; points that fall together are one. */
function ring(points) {
  const rounded = points.map(([longitude, latitude]) => [Math.round(longitude * 10), Math.round(latitude * 10)]);
  return rounded.filter((point, at) => at === 0 || point.join() !== rounded[at - 1].join());
}

/** One object: the number of each country, and its outer rings. */
export function outlines(here) {
  const atlas = JSON.parse(readFileSync(join(here, SOURCE, "countries-110m.json"), "utf8"));
  const found = {};
  for (const { id, geometry } of feature(atlas, atlas.objects.countries).features) {
    if (!id) continue;
    const polygons = geometry.type === "Polygon" ? [geometry.coordinates] : geometry.coordinates;
    found[id] = [...(found[id] ?? []), ...polygons.map(([outer]) => ring(outer)).filter((points) => points.length > 3)];
  }
  if (Object.keys(found).length < 150) throw new Error("the atlas has fewer countries than it should");
  return `${JSON.stringify(found)}\n`;
}
