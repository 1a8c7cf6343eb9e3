// Pictures of a result, fetched when the first one is asked for: bars, lines over years, points on a map.
// Colours and sizes of letters are those of the style sheet; every mark says what it is.
import { extent, max, min } from "d3-array";
import { geoEquirectangular, geoGraticule10, geoPath } from "d3-geo";
import { scaleLinear } from "d3-scale";
import { line as lineThrough } from "d3-shape";
import { feature, mesh } from "topojson-client";
import world from "world-atlas/countries-110m.json";
import { barsOf, linesOf, wordsOf } from "./readings.js";

const MOST_BARS = 100;
const MOST_LINES = 6;
/** Around points that stand close together so many degrees are shown. */
const LEAST_DEGREES = 12;
const SVG = "http://www.w3.org/2000/svg";

/** A chart as wide as its place. Gives the picture and, when something was left out, how much is shown of how much. */
export function chart(width, found, reading, number, site) {
  if (reading.kind === "lines") {
    const all = linesOf(found, reading, number, site);
    return { picture: linesPicture(width, all.slice(0, MOST_LINES)), shown: Math.min(all.length, MOST_LINES), total: all.length };
  }
  const all = barsOf(found, reading, number, site);
  return { picture: barsPicture(width, all.slice(0, MOST_BARS)), shown: Math.min(all.length, MOST_BARS), total: all.length };
}

function barsPicture(width, bars) {
  const narrow = width < 560;
  const step = narrow ? 44 : 28;
  const left = narrow ? 0 : Math.min(280, width * 0.38);
  const widest = max(bars, (bar) => spell(bar.value).length) * 9 + 10;
  const values = bars.map((bar) => bar.value);
  const x = scaleLinear([Math.min(0, min(values)), Math.max(0, max(values))], [left, Math.max(width - widest, left + 20)]);
  const svg = drawing(width, bars.length * step + 4, "bars");
  svg.setAttribute("role", "list");
  bars.forEach((bar, at) => {
    const top = at * step + 2;
    const group = mark("g", { role: "listitem", "aria-label": `${bar.label}: ${spell(bar.value)}` });
    const name = mark("text", { class: "name", x: narrow ? 0 : left - 8, y: top + (narrow ? 14 : 17), "text-anchor": narrow ? "start" : "end" });
    name.textContent = shorten(bar.label, (narrow ? width : left) / 7.2);
    const from = Math.min(x(0), x(bar.value));
    const shape = mark("rect", { class: "bar", x: from, y: top + (narrow ? 20 : 3), width: Math.max(Math.abs(x(bar.value) - x(0)), 1), height: narrow ? 18 : 20 });
    const value = mark("text", { class: "value", x: Math.max(x(0), x(bar.value)) + 5, y: top + (narrow ? 34 : 18) });
    value.textContent = spell(bar.value);
    group.append(titled(`${bar.label}: ${spell(bar.value)}`), name, shape, value);
    svg.append(group);
  });
  return svg;
}

function linesPicture(width, lines) {
  const [height, top, bottom] = [320, 14, 26];
  const all = lines.flatMap((line) => line.points);
  const y = scaleLinear([Math.min(0, min(all, (p) => p.value)), Math.max(0, max(all, (p) => p.value)) || 1], [height - bottom, top]).nice();
  const ticks = y.ticks(6);
  const left = max(ticks, (tick) => spell(tick).length) * 8 + 12;
  const [first, last] = extent(all, (p) => p.year);
  const x = scaleLinear(first === last ? [first - 1, last + 1] : [first, last], [left + 6, width - 22]);
  const svg = drawing(width, height + lines.length * 24 + 8, "lines");
  const grid = mark("g", { "aria-hidden": "true" });
  for (const tick of ticks) {
    const label = mark("text", { class: "tick", x: left - 6, y: y(tick) + 4, "text-anchor": "end" });
    label.textContent = spell(tick);
    grid.append(mark("line", { class: tick === 0 ? "axis" : "grid", x1: left, x2: width - 14, y1: y(tick), y2: y(tick) }), label);
  }
  for (const tick of x.ticks(Math.max(2, Math.floor(width / 90))).filter(Number.isInteger)) {
    const label = mark("text", { class: "tick", x: x(tick), y: height - 6, "text-anchor": "middle" });
    label.textContent = String(tick);
    grid.append(label);
  }
  svg.append(grid);
  const path = lineThrough((p) => x(p.year), (p) => y(p.value));
  lines.forEach((line, at) => {
    const group = mark("g", { class: `line line-${at}`, role: "list", "aria-label": line.label });
    group.append(mark("path", { class: "through", d: path(line.points), "aria-hidden": "true" }));
    for (const p of line.points) {
      const said = `${line.label}, ${p.said}: ${spell(p.value)}`;
      const dot = mark("circle", { class: "dot", cx: x(p.year), cy: y(p.value), r: 4, role: "listitem", "aria-label": said });
      dot.append(titled(said));
      group.append(dot);
    }
    const key = height + at * 24 + 10;
    const name = mark("text", { class: "name", x: left + 30, y: key + 5, "aria-hidden": "true" });
    name.textContent = shorten(line.label, (width - left - 30) / 7.2);
    group.append(mark("path", { class: "through", d: `M${left},${key}h22`, "aria-hidden": "true" }), name);
    svg.append(group);
  });
  return svg;
}

/** Points over the outlines of the countries, as much of the world as they need. */
export function map(width, found, points, site) {
  const height = Math.round(Math.min(Math.max(width * 0.58, 240), 560));
  const svg = drawing(width, height, "map");
  const projection = geoEquirectangular().fitExtent([[16, 16], [width - 16, height - 16]], around(points));
  const path = geoPath(projection.clipExtent([[0, 0], [width, height]]));
  const land = mark("g", { "aria-hidden": "true" });
  land.append(
    mark("path", { class: "grid", d: path(geoGraticule10()) }),
    mark("path", { class: "land", d: path(feature(world, world.objects.land)) }),
    mark("path", { class: "border", d: path(mesh(world, world.objects.countries, (a, b) => a !== b)) }),
  );
  svg.append(land);
  const spots = mark("g", { role: "list" });
  for (const spot of together(points)) {
    const [x, y] = projection(spot.at);
    const names = [...new Set(spot.rows.map((row) => nameOf(row, found, site)))];
    const said = names.length > 12 ? `${names.slice(0, 12).join(", ")} … (${names.length})` : names.join(", ");
    const item = mark("g", { role: "listitem" });
    const target = names.length === 1 && linkOf(spot.rows[0], found, site);
    const holder = target ? mark("a", { href: target, "aria-label": said }) : mark("g", { tabindex: 0, role: "img", "aria-label": said });
    holder.append(mark("circle", { class: "spot", cx: x, cy: y, r: Math.min(5 + 1.5 * Math.sqrt(names.length - 1), 16) }), titled(said));
    item.append(holder);
    spots.append(item);
  }
  svg.append(spots);
  return { picture: svg, shown: points.length, total: found.rows.length };
}

/** The corners of the part of the world to show, as points: an outline would wind round the wrong side. */
function around(points) {
  const grow = ([low, high], least, most) => {
    const more = Math.max(0, least - (high - low)) / 2;
    return [Math.max(low - more, -most), Math.min(high + more, most)];
  };
  const [west, east] = grow(extent(points, (point) => point.at[0]), LEAST_DEGREES * 1.7, 180);
  const [south, north] = grow(extent(points, (point) => point.at[1]), LEAST_DEGREES, 90);
  return { type: "MultiPoint", coordinates: [[west, south], [west, north], [east, south], [east, north]] };
}

/** Rows at one place become one spot. */
function together(points) {
  const spots = new Map();
  for (const { at, row } of points) {
    const key = at.join();
    if (!spots.has(key)) spots.set(key, { at, rows: [] });
    spots.get(key).rows.push(row);
  }
  return [...spots.values()];
}

function nameOf(row, found, site) {
  const said = found.variables.map((name) => row[name]).filter(Boolean);
  const text = said.find((term) => term.type === "literal" && !/#(?!string$)/.test(term.datatype || ""));
  return wordsOf(text || said.find((term) => term.type === "uri") || said[0], site);
}

/** Where the first thing of a row is described: at this site only. */
function linkOf(row, found, site) {
  const ours = found.variables.map((name) => row[name]).find((term) => term?.type === "uri" && term.value.startsWith(`${site.base}id/`));
  return ours && site.root + ours.value.slice(site.base.length);
}

const spell = (number) => number.toLocaleString("en", { maximumFractionDigits: 2 });
const shorten = (text, most) => (text.length > most ? `${text.slice(0, Math.max(1, Math.floor(most) - 1))}…` : text);

function drawing(width, height, kind) {
  return mark("svg", { class: `picture ${kind}`, width, height, viewBox: `0 0 ${width} ${height}` });
}

function mark(name, attributes = {}) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, typeof value === "number" ? Math.round(value * 100) / 100 : value);
  return made;
}

function titled(text) {
  const made = mark("title");
  made.textContent = text;
  return made;
}
