// From the endpoint to the page: ask, read as much as a page can hold, show rows as a table.
import { isNumber } from "./readings.js";

const ACCEPT = "application/sparql-results+json, text/turtle;q=0.9, application/problem+json;q=0.8";
/** More than this is for a file, not for a page. */
const MOST_BYTES = 20_000_000;
const ROWS_AT_ONCE = 200;

/** Ask a query by POST. Gives one of: problem, tooLarge, verdict, graph, or variables and rows. */
export async function ask(endpoint, query, signal) {
  const url = new URL(endpoint);
  url.hash = "";
  const reply = await fetch(url, {
    method: "POST",
    headers: { Accept: ACCEPT },
    body: new URLSearchParams({ query }),
    signal,
  });
  const text = await readUpTo(reply, MOST_BYTES);
  if (!reply.ok) return { problem: problemOf(reply, text) };
  if (text === null) return { tooLarge: true };
  if (!(reply.headers.get("Content-Type") || "").includes("json")) return { graph: text };
  const results = JSON.parse(text);
  if (results.boolean !== undefined) return { verdict: results.boolean };
  return { variables: results.head.vars, rows: results.results.bindings };
}

/** Whether an answer was too long to be shown. */
export const isLong = (found) => found.tooLarge === true;

function problemOf(reply, text) {
  try {
    return JSON.parse(text);
  } catch {
    return { title: `${reply.status} ${reply.statusText}`, detail: text || "" };
  }
}

/** The body as text; null, and the rest left unread, when it is longer than *most* bytes. */
async function readUpTo(reply, most) {
  const reader = reply.body.getReader();
  const decoder = new TextDecoder();
  let text = "";
  let read = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    read += value.length;
    if (read > most) {
      await reader.cancel();
      return null;
    }
    text += decoder.decode(value, { stream: true });
  }
}

/** Rows as a table whose columns sort, some at a time. */
export function tableOf({ variables, rows }, site, words) {
  const count = document.createElement("p");
  count.className = "aside";
  count.textContent = words.rows.replace("{count}", String(rows.length));
  if (rows.length === 0 || variables.length === 0) return [count];

  const table = document.createElement("table");
  table.className = "parts results";
  const head = table.createTHead().insertRow();
  const body = table.createTBody();
  const more = document.createElement("button");
  more.type = "button";
  more.className = "quiet";
  more.textContent = words.more;
  let order = rows;
  let shown = 0;

  const grow = () => {
    const next = order.slice(shown, shown + ROWS_AT_ONCE);
    body.append(...next.map((row) => rowOf(row, variables, site)));
    shown += next.length;
    more.hidden = shown >= order.length;
  };
  more.addEventListener("click", grow);
  for (const name of variables) {
    const cell = document.createElement("th");
    cell.scope = "col";
    const sort = document.createElement("button");
    sort.type = "button";
    sort.className = "sort";
    sort.textContent = name;
    sort.addEventListener("click", () => {
      const up = cell.getAttribute("aria-sort") !== "ascending";
      for (const other of head.cells) other.removeAttribute("aria-sort");
      cell.setAttribute("aria-sort", up ? "ascending" : "descending");
      order = sorted(rows, name, up);
      body.replaceChildren();
      shown = 0;
      grow();
    });
    cell.append(sort);
    head.append(cell);
  }
  grow();
  const scroll = document.createElement("div");
  scroll.className = "scroll";
  scroll.tabIndex = 0;
  scroll.setAttribute("role", "region");
  scroll.setAttribute("aria-label", words.answer);
  scroll.append(table);
  return [count, scroll, more];
}

function rowOf(row, variables, site) {
  const made = document.createElement("tr");
  for (const name of variables) {
    const cell = made.insertCell();
    cell.dataset.label = name;
    if (row[name]) cell.append(...termOf(row[name], site));
    if (isNumber(row[name])) cell.className = "number";
  }
  return made;
}

/** A term as readers see it, by its name where the site knows one: links are made of http and https alone, everything else is text. */
function termOf(term, site) {
  if (term.type === "uri") return [linkOf(term.value, site)];
  const text = document.createElement("span");
  if (term.type === "bnode") text.textContent = `_:${term.value}`;
  else text.textContent = typeof term.value === "string" ? term.value : JSON.stringify(term.value);
  const language = term["xml:lang"];
  if (!language) return [text];
  text.lang = language;
  const note = document.createElement("span");
  note.className = "aside";
  note.textContent = ` ${language}`;
  return [text, note];
}

function linkOf(iri, site) {
  const ours = iri.startsWith(site.base);
  const target = ours ? site.root + iri.slice(site.base.length) : iri;
  const made = document.createElement(ours || /^https?:\/\//i.test(iri) ? "a" : "code");
  made.textContent = site.names.get(iri) || (ours ? iri.slice(site.base.length) : iri);
  if (made.tagName === "A") {
    made.href = target;
    made.title = iri;
    if (!ours) made.rel = "external noopener";
  }
  return made;
}

function sorted(rows, name, up) {
  const words = new Intl.Collator(undefined, { numeric: true });
  const compare = (a, b) => {
    if (!a || !b) return (a ? 1 : 0) - (b ? 1 : 0);
    if (isNumber(a) && isNumber(b)) return Number(a.value) - Number(b.value);
    return words.compare(String(a.value), String(b.value));
  };
  return [...rows].sort((a, b) => (up ? 1 : -1) * compare(a[name], b[name]));
}
