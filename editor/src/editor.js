// CodeMirror for SPARQL. It lives in a shadow root, where its styles are constructed sheets: a page whose policy
// forbids <style> elements keeps that policy.
import { autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { bracketMatching, indentUnit, syntaxHighlighting } from "@codemirror/language";
import { setDiagnostics } from "@codemirror/lint";
import { EditorState, Prec } from "@codemirror/state";
import { drawSelection, EditorView, highlightSpecialChars, keymap, lineNumbers } from "@codemirror/view";
import { classHighlighter } from "@lezer/highlight";
import { sparql } from "codemirror-lang-sparql";
import { sourceOf } from "./complete.js";
import look from "./editor.shadow.css";

/** Put an editor into an element; gives what the page does with it. */
export function createEditor(host, { text, label, completions, run, changed }) {
  const root = host.attachShadow({ mode: "open" });
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(look);
  const parent = document.createElement("div");
  root.append(parent);
  const keys = [{ key: "Mod-Enter", run: () => { run(); return true; }, preventDefault: true }];
  const view = new EditorView({
    root,
    parent,
    doc: text,
    extensions: [
      Prec.highest(keymap.of(keys)),
      lineNumbers(),
      highlightSpecialChars(),
      history(),
      drawSelection(),
      bracketMatching(),
      closeBrackets(),
      indentUnit.of("  "),
      EditorState.tabSize.of(2),
      EditorView.lineWrapping,
      syntaxHighlighting(classHighlighter),
      sparql(),
      autocompletion({ override: [sourceOf(completions)], icons: false }),
      // Tab is left to the page on purpose: who comes in by keyboard gets out the same way.
      keymap.of([...closeBracketsKeymap, ...completionKeymap, ...historyKeymap, ...defaultKeymap]),
      EditorView.contentAttributes.of({
        "aria-label": label,
        "aria-multiline": "true",
        spellcheck: "false",
        autocapitalize: "off",
        autocorrect: "off",
      }),
      EditorView.updateListener.of((update) => {
        if (update.docChanged) changed(update.state.doc.toString());
      }),
    ],
  });
  root.adoptedStyleSheets = [...root.adoptedStyleSheets, sheet];

  const clearMark = () => view.dispatch(setDiagnostics(view.state, []));
  return {
    text: () => view.state.doc.toString(),
    focus: () => view.focus(),
    clearMark,
    replace(newText) {
      clearMark();
      view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: newText }, selection: { anchor: 0 } });
    },
    /** Mark a mistake where the server found it, and bring it into view. */
    mark(message, line, column) {
      const from = offsetOf(view.state.doc, line, column);
      const token = /^(?:<[^<>\s]*>|[^\s{}()[\];,]+)/.exec(view.state.doc.sliceString(from, from + 1000));
      const to = Math.min(from + (token ? token[0].length : 1), view.state.doc.length);
      const place = from === to ? Math.max(from - 1, 0) : from;
      view.dispatch(setDiagnostics(view.state, [{ from: place, to, severity: "error", message }]));
      view.dispatch({ selection: { anchor: from }, effects: EditorView.scrollIntoView(from, { y: "nearest" }) });
      view.focus();
    },
  };
}

/** From a place that counts characters from 1 to an offset that counts UTF-16 units from 0. */
export function offsetOf(doc, line, column) {
  const found = doc.line(Math.min(Math.max(line, 1), doc.lines));
  const before = Array.from(found.text).slice(0, Math.max(column - 1, 0)).join("");
  return Math.min(found.from + before.length, found.to);
}
