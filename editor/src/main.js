// The query page: the editor takes the place of the plain field, answers come without leaving the page.
import { ask, isLong } from "./answers.js";
import { completionsFrom } from "./complete.js";
import { createEditor } from "./editor.js";
import { viewsOf } from "./views.js";

/** A link longer than this is cut by some servers and mail programs. */
const LONGEST_LINK = 7000;

const form = document.querySelector("form.query");
if (form) start(form);

function start(form) {
  const words = JSON.parse(form.dataset.words);
  const field = form.querySelector("textarea");
  const label = form.querySelector(`label[for="${field.id}"]`);
  const format = form.querySelector("select[name=format]");
  const button = form.querySelector("button[type=submit]");
  const answer = document.getElementById("answer");
  const site = { base: form.dataset.base, root: form.dataset.root, names: new Map() };
  const completions = completionsFrom(form.dataset.completions);
  const kept = {};

  const host = document.createElement("div");
  host.className = "editor";
  const editor = createEditor(host, {
    text: field.value,
    label: label.textContent,
    completions,
    run: () => form.requestSubmit(),
    changed: (text) => { field.value = text; },
  });
  field.hidden = true;
  // A required field that nobody sees could not be filled in by hand.
  field.required = false;
  field.after(host);
  label.addEventListener("click", () => editor.focus());

  const status = document.createElement("p");
  status.className = "aside status";
  status.setAttribute("role", "status");
  const share = textButton(words.share, async () => {
    try {
      await navigator.clipboard.writeText(linkTo(editor.text()).href);
      status.textContent = words.shared;
    } catch {
      history.replaceState({ query: editor.text() }, "", linkTo(editor.text()));
      status.textContent = words.inAddress;
    }
  });
  form.querySelector(".controls").append(share, status);
  const keys = document.createElement("p");
  keys.className = "aside";
  keys.textContent = words.keys;
  host.after(keys);
  // Without what the site knows the editor still asks and answers.
  completions.then((known) => {
    form.prepend(examples(known.queries));
    site.names = new Map(known.terms.map((term) => [term.iri, term.label]));
  }, () => {});

  if (form.dataset.line) editor.mark(form.dataset.problem, +form.dataset.line, +form.dataset.column);

  let running = null;
  form.addEventListener("submit", (event) => {
    field.value = editor.text();
    if (format.value !== "page") return;
    event.preventDefault();
    if (running) running.abort();
    else run(editor.text());
  });
  // Each address of the history keeps the query that belongs to it; going back brings it back.
  history.replaceState({ query: field.value }, "");
  addEventListener("popstate", (event) => {
    if (event.state?.query !== undefined) editor.replace(event.state.query);
  });

  /** Ask the endpoint, show what comes, and keep the address of the page a link to this query. */
  async function run(text) {
    running = new AbortController();
    button.textContent = words.stop;
    status.textContent = words.running;
    editor.clearMark();
    answer.setAttribute("aria-busy", "true");
    const began = performance.now();
    try {
      const found = await ask(form.action, text, running.signal);
      answer.replaceChildren(...shown(found));
      const seconds = `${((performance.now() - began) / 1000).toFixed(2)} s`;
      const rows = found.rows && words.rows.replace("{count}", String(found.rows.length));
      status.textContent = [rows, seconds].filter(Boolean).join(" · ");
      if (found.problem) complain(found.problem);
      else if (!isLong(found)) remember(text);
    } catch (error) {
      status.textContent = "";
      const stopped = error.name === "AbortError";
      answer.replaceChildren(paragraph(stopped ? words.stopped : words.unreachable, stopped ? "" : "alert"));
    } finally {
      running = null;
      button.textContent = words.run;
      answer.removeAttribute("aria-busy");
    }
  }

  function shown(found) {
    const heading = document.createElement("h2");
    heading.textContent = words.answer;
    if (found.problem) return [problemBox(found.problem)];
    if (found.tooLarge) return [heading, paragraph(words.large)];
    if (found.verdict !== undefined) return [heading, paragraph(found.verdict ? words.yes : words.no, "", "lead")];
    if (found.graph !== undefined) {
      const block = document.createElement("pre");
      block.tabIndex = 0;
      block.textContent = found.graph;
      return [heading, block];
    }
    return [heading, ...viewsOf(found, site, words, kept, form.dataset.pictures)];
  }

  function problemBox(problem) {
    const box = document.createElement("pre");
    box.className = "problem told";
    box.setAttribute("role", "alert");
    box.textContent = [sentence(problem) || problem.title || words.unreachable, problem.hint].filter(Boolean).join("\n");
    return box;
  }

  function complain(problem) {
    status.textContent = "";
    if (problem.line) editor.mark([sentence(problem), problem.hint].filter(Boolean).join("\n"), problem.line, problem.column);
  }

  function remember(text) {
    const link = linkTo(text);
    if (link.href.length < LONGEST_LINK && link.href !== location.href) history.pushState({ query: text }, "", link);
  }

  function linkTo(text) {
    const link = new URL(form.action);
    link.hash = "";
    link.search = new URLSearchParams({ query: text }).toString();
    return link;
  }

  /** The saved queries as a menu. */
  function examples(queries) {
    const line = document.createElement("p");
    line.className = "controls examples";
    if (queries.length === 0) return line;
    const name = document.createElement("label");
    name.htmlFor = "examples";
    name.textContent = words.saved;
    const menu = document.createElement("select");
    menu.id = "examples";
    menu.append(new Option(words.choose, ""), ...queries.map((query) => new Option(query.summary, query.url)));
    menu.addEventListener("change", async () => {
      if (!menu.value) return;
      const wanted = menu.value;
      try {
        const reply = await fetch(wanted, { headers: { Accept: "application/sparql-query" } });
        if (!reply.ok) throw new Error(reply.statusText);
        const text = await reply.text();
        if (menu.value === wanted) editor.replace(text);
        status.textContent = "";
      } catch {
        status.textContent = words.unreachable;
      }
    });
    line.append(name, menu);
    return line;
  }
}

/** What the server says of a mistake; the excerpt is left out, the editor shows it, and the hint stands apart. */
function sentence(problem) {
  return problem.line ? problem.detail.split("\n")[0] : (problem.detail || "").trim();
}

function paragraph(text, role = "", className = "") {
  const made = document.createElement("p");
  made.textContent = text;
  if (role) made.setAttribute("role", role);
  if (className) made.className = className;
  return made;
}

function textButton(text, act) {
  const made = document.createElement("button");
  made.type = "button";
  made.className = "quiet";
  made.textContent = text;
  made.addEventListener("click", act);
  return made;
}
