"""The page on which a query is asked and answered."""

from __future__ import annotations

import json
from typing import Any

import pyoxigraph as ox

from cnrs_graph.answers import ANSWER_FORMATS
from cnrs_graph.editor import bundle
from cnrs_graph.errors import CnrsGraphError
from cnrs_graph.pages import FORMAT_NAMES, Desk, Shown, render
from cnrs_graph.replies import PAGE_POLICY, SCRIPTED_POLICY
from cnrs_graph.store import Form
from cnrs_graph.terms import Term

_ROWS_SHOWN = 500
#: The formats that the form offers beside the page, by the name of the format.
_FORMATS = tuple(
    (fmt.name, FORMAT_NAMES[fmt.name])
    for formats in (ANSWER_FORMATS[Form.SELECT], ANSWER_FORMATS[Form.CONSTRUCT])
    for fmt in formats
)


def results(desk: Desk, query: str, form: str, body: bytes | None) -> bytes:
    """Write the page on which a query was asked, with its answer."""
    return _page(desk, query, answered=True, **answer(desk, form, body))


def answer(desk: Desk, form: str, body: bytes | None) -> dict[str, Any]:
    """What the part of a page with an answer shows: rows as a table, yes or no in words, triples as they are.

    *body* is SPARQL results JSON, or N-Triples for CONSTRUCT and DESCRIBE; None when it is too large to show.
    """
    variables: list[str] = []
    rows: list[list[Shown | None]] = []
    verdict: bool | None = None
    text: str | None = None
    total = 0
    if body is not None and form in ("SELECT", "ASK"):
        found = json.loads(body)
        if "boolean" in found:
            verdict = bool(found["boolean"])
        else:
            variables = list(found["head"]["vars"])
            bindings = found["results"]["bindings"]
            total = len(bindings)
            desk.index.ahead(
                cell["value"]
                for row in bindings[:_ROWS_SHOWN]
                for cell in row.values()
                if cell["type"] == "uri"
            )
            rows = [[_cell(desk, row.get(name)) for name in variables] for row in bindings[:_ROWS_SHOWN]]
    elif body is not None:
        text = body.decode()
    return {
        "variables": variables,
        "rows": rows,
        "total": total,
        "verdict": verdict,
        "text": text,
        "too_large": body is None,
    }


def asking(desk: Desk, query: str, problem: CnrsGraphError | None = None) -> bytes:
    """Write the page on which a query is asked, with what is wrong with it if it was asked already."""
    return _page(desk, query, problem=problem)


def page_policy() -> str:
    """The Content-Security-Policy of these pages: that of all pages where there is no editor."""
    return SCRIPTED_POLICY if bundle() is not None else PAGE_POLICY


def _page(desk: Desk, query: str, **values: object) -> bytes:
    shown = {"answered": False, "problem": None, **values}
    return render(
        desk,
        "sparql.html",
        title="SPARQL",
        here="/sparql",
        query=query,
        endpoint=f"{desk.index.base}sparql",
        formats=_FORMATS,
        editor=bundle(),
        **shown,
    )


def _cell(desk: Desk, binding: dict[str, str] | None) -> Shown | None:
    if binding is None:
        return None
    term: Term
    if binding["type"] == "uri":
        term = ox.NamedNode(binding["value"])
    elif binding["type"] in ("literal", "typed-literal"):
        language, datatype = binding.get("xml:lang"), binding.get("datatype")
        term = (
            ox.Literal(binding["value"], language=language)
            if language
            else ox.Literal(binding["value"], datatype=ox.NamedNode(datatype) if datatype else None)
        )
    else:
        return Shown(f"_:{binding['value']}" if isinstance(binding["value"], str) else "…", code=True)
    return desk.term(term)
