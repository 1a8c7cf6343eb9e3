// What is offered while one types: words of SPARQL, variables, prefixes, and the terms that the data really uses.
import { syntaxTree } from "@codemirror/language";

const KEYWORDS = `SELECT DISTINCT REDUCED CONSTRUCT DESCRIBE ASK WHERE FROM NAMED PREFIX BASE OPTIONAL UNION MINUS GRAPH
FILTER BIND VALUES UNDEF AS EXISTS NOT IN GROUP BY HAVING ORDER ASC DESC LIMIT OFFSET COUNT SUM MIN MAX AVG SAMPLE
GROUP_CONCAT SEPARATOR STR LANG LANGMATCHES DATATYPE BOUND IRI BNODE COALESCE IF STRLANG STRDT sameTerm isIRI isBlank
isLiteral isNumeric REGEX SUBSTR REPLACE CONTAINS STRSTARTS STRENDS STRBEFORE STRAFTER STRLEN UCASE LCASE CONCAT
ENCODE_FOR_URI ABS CEIL FLOOR ROUND RAND NOW YEAR MONTH DAY HOURS MINUTES SECONDS TIMEZONE UUID STRUUID MD5 SHA256`
  .split(/\s+/).map((word) => ({ label: word, type: "keyword" }));
const DECLARATION = /(?:^|\n)[ \t]*PREFIX[ \t]+([^\s:]*):[ \t]*<([^<>\s]*)>/gi;
/** The local part of a prefixed name that needs no escapes. */
const LOCAL = /^(?:[\p{L}_0-9](?:[\p{L}\p{N}_.-]*[\p{L}\p{N}_-])?)?$/u;
const MOST_OFFERED = 200;

/** Fetch what is known here, once. */
export async function completionsFrom(url) {
  const reply = await fetch(url, { headers: { Accept: "application/json" } });
  if (!reply.ok) throw new Error(`${url}: ${reply.status}`);
  return reply.json();
}

/** A completion source over what the site knows; before that has come, over the query alone. */
export function sourceOf(completions) {
  let known = { prefixes: {}, terms: [], queries: [] };
  completions.then((found) => { known = found; }, () => {});
  return (context) => {
    const inside = syntaxTree(context.state).resolveInner(context.pos, -1).name;
    if (inside === "Comment" || inside === "String") return null;
    const line = context.state.doc.lineAt(context.pos);
    const before = line.text.slice(0, context.pos - line.from);
    if (/^\s*#/.test(before)) return null;
    return offer(before, context, known);
  };
}

function offer(before, context, known) {
  const text = context.state.doc.toString();
  const declaring = /^\s*PREFIX\s+([^\s:<>]*)$/i.exec(before);
  if (declaring) return result(context, declaring[1], prefixLines(known), declaring[1]);
  const variable = /[?$][\p{L}\p{N}_]*$/u.exec(before);
  if (variable) return result(context, variable[0], variables(text, variable[0]), variable[0]);
  const iri = /<([^<>\s]*)$/.exec(before);
  if (iri && !/^\s*(?:PREFIX|BASE)\s/i.test(before)) return result(context, iri[0], wholeIris(known), iri[1]);
  const name = /(?:[\p{L}_][\p{L}\p{N}_.-]*)?:[\p{L}\p{N}_.-]*$/u.exec(before);
  const word = name || /[\p{L}_][\p{L}\p{N}_-]*$/u.exec(before);
  if (!word && !context.explicit) return null;
  const typed = word ? word[0] : "";
  const sofar = text.slice(0, context.pos - typed.length);
  const wanted = expected(sofar);
  const options = names(known, text, wanted);
  if (!name) options.push(...KEYWORDS);
  return result(context, typed, options, typed);
}

/** The options that fit what was typed: those that begin with it first, then those that hold it. */
function result(context, typed, options, needle) {
  const low = needle.toLowerCase();
  const fitting = [];
  for (const option of options) {
    const rank = rankOf(option, low);
    if (rank > 0) fitting.push([rank + (option.rank || 0), option]);
  }
  fitting.sort((a, b) => b[0] - a[0]);
  const shown = fitting.slice(0, MOST_OFFERED).map(([, option]) => option);
  return shown.length ? { from: context.pos - typed.length, options: shown, filter: false } : null;
}

function rankOf(option, needle) {
  if (!needle) return 1;
  const label = option.label.toLowerCase();
  if (label === needle && !option.apply) return 0;
  if (label.startsWith(needle)) return 40;
  const local = label.slice(label.lastIndexOf(":") + 1);
  if (local.startsWith(needle)) return 30;
  const said = (option.said || "").toLowerCase();
  if (said.startsWith(needle)) return 20;
  return needle.length > 1 && (label.includes(needle) || said.includes(needle)) ? 10 : 0;
}

/** What kind of term the place asks for, as far as the words before it tell. */
export function expected(sofar) {
  const tokens = sofar.replace(/(?:^|\s)#[^\n]*/g, " ").match(/"[^"]*"|<[^<>\s]*>|[^\s{}();.,]+(?:\.[^\s{}();.,]+)*|[{}();.,]/g) || [];
  const [last, previous] = [tokens.at(-1), tokens.at(-2)];
  if (last === "a" || last === "rdf:type") return "class";
  if (last === ";") return "property";
  if (last && !"{}.,()".includes(last) && (previous === undefined || "{}.".includes(previous))) return "property";
  return "";
}

function declared(text) {
  return Object.fromEntries([...text.matchAll(DECLARATION)].map(([, prefix, iri]) => [prefix, iri]));
}

function names(known, text, wanted) {
  const here = declared(text);
  const prefixes = { ...known.prefixes, ...here };
  const namespaces = Object.entries(prefixes).sort((a, b) => b[1].length - a[1].length || (b[0] in here) - (a[0] in here));
  const found = [];
  // After `a` stands a class; everything else is offered everywhere, what fits best first.
  const terms = wanted === "class" ? known.terms.filter((term) => term.kind === "class") : known.terms;
  for (const term of terms) {
    const option = nameOf(term, namespaces, here);
    option.type = term.kind;
    option.said = term.label;
    option.detail = [term.label, term.count].filter(Boolean).join(" · ");
    option.rank = term.kind === wanted ? 100 : 0;
    found.push(option);
  }
  return found;
}

/** A term as it is written in this query: by prefix where one fits, declared on the way if it is not yet. */
function nameOf(term, namespaces, here) {
  for (const [prefix, namespace] of namespaces) {
    const local = term.iri.slice(namespace.length);
    if (local && term.iri.startsWith(namespace) && LOCAL.test(local)) {
      const label = `${prefix}:${local}`;
      return prefix in here ? { label } : { label, apply: declaringFirst(label, prefix, namespace) };
    }
  }
  return { label: `<${term.iri}>` };
}

function declaringFirst(label, prefix, namespace) {
  return (view, _, from, to) => {
    const text = view.state.doc.toString();
    const at = placeForPrefix(text);
    const line = `PREFIX ${prefix}: <${namespace}>\n`;
    const ready = at > 0 && text[at - 1] !== "\n" ? `\n${line.trimEnd()}` : line;
    view.dispatch({
      changes: [{ from: at, insert: ready }, { from, to, insert: label }],
      selection: { anchor: from + ready.length + label.length },
      userEvent: "input.complete",
    });
  };
}

/** After the last declaration; without one, after the comments that the query begins with. */
export function placeForPrefix(text) {
  let end = /^(?:[ \t]*#[^\n]*(?:\n|$))*/.exec(text)[0].length;
  for (const match of text.matchAll(/(?:^|\n)[ \t]*(?:PREFIX[ \t]+[^\s:]*:|BASE)[ \t]*<[^<>\s]*>[ \t]*(?:#[^\n]*)?(?:\n|$)/gi)) {
    end = match.index + match[0].length;
  }
  return end;
}

function prefixLines(known) {
  return Object.entries(known.prefixes).map(([prefix, iri]) => ({
    label: `${prefix}:`, detail: iri, type: "namespace", apply: `${prefix}: <${iri}>`,
  }));
}

function variables(text, typed) {
  const used = new Set(text.match(/[?$][\p{L}_][\p{L}\p{N}_]*/gu) || []);
  const times = text.split(typed).length - 1;
  if (times < 2) used.delete(typed);
  return [...used].map((label) => ({ label, type: "variable" }));
}

function wholeIris(known) {
  return known.terms.map((term) => ({
    label: `<${term.iri}>`, said: term.label, detail: term.label, type: term.kind,
  }));
}
