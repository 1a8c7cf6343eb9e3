// What a result could be drawn as: bars, lines over years, points on a map. Whatever does not fit is not offered.

const NUMBERS = /#(?:integer|decimal|double|float|int|long|short|byte|nonNegativeInteger|positiveInteger|unsigned\w+)$/;
const DAYS = /#(?:gYear|gYearMonth|date|dateTime)$/;
const WKT = /#wktLiteral$/;
const POINT = /^\s*(?:<([^>]*)>\s*)?POINT\s*Z?\s*\(\s*(-?[\d.]+(?:e-?\d+)?)\s+(-?[\d.]+(?:e-?\d+)?)/i;
/** In this reference system, and where none is named, the longitude comes first. */
const LONGITUDE_FIRST = /CRS84$/;

/** Whether a term is a number. */
export const isNumber = (term) => NUMBERS.test(term?.datatype || "");

/** A year with its fraction, of a literal that is a day, a month or a year. */
function yearOf(term) {
  const parts = /^(-?\d{4,})(?:-(\d\d))?(?:-(\d\d))?/.exec(term.value);
  return parts && Number(parts[1]) + ((parts[2] || 1) - 1) / 12 + ((parts[3] || 1) - 1) / 366;
}

/** Columns of which every value, and at least one, is of a kind. */
function columns({ variables, rows }, fits) {
  return variables.filter((name) => {
    const bound = rows.map((row) => row[name]).filter(Boolean);
    return bound.length > 0 && bound.every(fits);
  });
}

/** A term in words, as a label. */
export function wordsOf(term, site) {
  if (!term) return "";
  if (term.type !== "uri") return String(term.value);
  const own = term.value.startsWith(site.base) ? term.value.slice(site.base.length) : term.value;
  return site.names.get(term.value) || own;
}

/** Bars or lines: the numbers to choose from, what they are numbers of, and the years if there are any. */
export function chartOf(found) {
  const numbers = columns(found, (term) => isNumber(term) && Number.isFinite(Number(term.value)));
  const years = columns(found, (term) => DAYS.test(term.datatype || "") && yearOf(term) !== null);
  const places = new Set(placeColumns(found));
  const measures = numbers.filter((name) => !places.has(name));
  const texts = columns(found, (term) => term.type === "literal" && ![NUMBERS, DAYS, WKT].some((kind) => kind.test(term.datatype || "")));
  const names = texts.length ? texts : columns(found, (term) => term.type === "uri").slice(0, 1);
  if (measures.length === 0) return null;
  if (years.length > 0) return { kind: "lines", numbers: measures, year: years[0], names };
  return names.length > 0 ? { kind: "bars", numbers: measures, names } : null;
}

/** The points of a result, each with its row; null where there are none. */
export function pointsOf(found) {
  const [latitude, longitude] = placeColumns(found);
  const [shape] = columns(found, (term) => WKT.test(term.datatype || "") || POINT.test(term.value));
  if (!shape && !longitude) return null;
  const points = [];
  for (const row of found.rows) {
    const at = shape ? pointOf(row[shape]) : row[latitude] && row[longitude] && [row[longitude], row[latitude]].map((term) => Number(term.value));
    if (at && Math.abs(at[0]) <= 180 && Math.abs(at[1]) <= 90) points.push({ at, row });
  }
  return points.length > 0 ? points : null;
}

function pointOf(term) {
  const parts = POINT.exec(term?.value || "");
  if (!parts) return null;
  const pair = [Number(parts[2]), Number(parts[3])];
  return !parts[1] || LONGITUDE_FIRST.test(parts[1]) ? pair : pair.reverse();
}

/** The columns with latitude and longitude, both or neither. */
function placeColumns(found) {
  const numbers = columns(found, (term) => isNumber(term));
  const latitude = numbers.find((name) => /^lat(?:itude)?$/i.test(name));
  const longitude = numbers.find((name) => /^(?:lon|lng|long|longitude)$/i.test(name));
  return latitude && longitude ? [latitude, longitude] : [];
}

/** The bars, one a row. */
export function barsOf(found, { names }, number, site) {
  return found.rows
    .filter((row) => row[number])
    .map((row) => ({
      label: names.map((name) => wordsOf(row[name], site)).filter(Boolean).join(" · "),
      value: Number(row[number].value),
      row,
    }));
}

/** Numbers by year, in one line for each name. */
export function linesOf(found, { names, year }, number, site) {
  const lines = new Map();
  for (const row of found.rows) {
    if (!row[year] || !row[number]) continue;
    const label = names.map((name) => wordsOf(row[name], site)).filter(Boolean).join(" · ") || number;
    if (!lines.has(label)) lines.set(label, []);
    lines.get(label).push({ year: yearOf(row[year]), said: row[year].value, value: Number(row[number].value) });
  }
  for (const line of lines.values()) line.sort((a, b) => a.year - b.year);
  return [...lines].map(([label, points]) => ({ label, points }));
}
