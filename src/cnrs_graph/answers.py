"""Answers to queries as bytes in a chosen format, and as a table for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyoxigraph as ox

from cnrs_graph import sheets
from cnrs_graph.errors import NotAcceptableError
from cnrs_graph.formats import (
    CSV,
    DOWNLOAD_FORMATS,
    JSON_RESULTS,
    JSONLD,
    NTRIPLES,
    RDFXML,
    TSV,
    TURTLE,
    XML_RESULTS,
    Format,
)
from cnrs_graph.store import Answer, Form
from cnrs_graph.terms import PREFIXES, Term, compact

#: What each form of answer can be written in.
ANSWER_FORMATS: Mapping[Form, tuple[Format, ...]] = {
    Form.SELECT: (JSON_RESULTS, XML_RESULTS, CSV, TSV, *DOWNLOAD_FORMATS),
    Form.ASK: (JSON_RESULTS, XML_RESULTS),
    Form.CONSTRUCT: (TURTLE, NTRIPLES, JSONLD, RDFXML),
}
_RESULTS_WRITERS = {
    XML_RESULTS: ox.QueryResultsFormat.XML,
    CSV: ox.QueryResultsFormat.CSV,
    TSV: ox.QueryResultsFormat.TSV,
}
_GRAPH_WRITERS = {TURTLE: ox.RdfFormat.TURTLE, JSONLD: ox.RdfFormat.JSON_LD, RDFXML: ox.RdfFormat.RDF_XML}
_WIDEST_CELL = 60


def answer_bytes(answer: Answer, form: Format) -> bytes:
    """Write an answer in a format; results JSON and N-Triples are the body itself, untouched.

    Raises: NotAcceptableError if the format is not one for this form of answer, or the rows do not fit it.
    """
    offered = ANSWER_FORMATS[answer.form]
    if form not in offered:
        raise NotAcceptableError(form.media_type, [each.media_type for each in offered])
    if form in (JSON_RESULTS, NTRIPLES):
        return answer.body
    if form in DOWNLOAD_FORMATS:
        return sheets.written(answer.body, form)
    if answer.form is Form.CONSTRUCT:
        triples = ox.parse(input=answer.body, format=ox.RdfFormat.N_TRIPLES)
        return ox.serialize(triples, format=_GRAPH_WRITERS[form], prefixes=dict(PREFIXES)) or b""
    results = ox.parse_query_results(answer.body, format=ox.QueryResultsFormat.JSON)
    return results.serialize(format=_RESULTS_WRITERS[form]) or b""


def table(answer: Answer, *, base: str) -> str:
    """Write an answer to read at a terminal: rows as a table, yes or no, or Turtle.

    IRIs are shortened, those below *base* to what follows it; a cell that is too wide ends with "…".
    """
    if answer.form is Form.ASK:
        return "yes" if answer.verdict() else "no"
    if answer.form is Form.CONSTRUCT:
        return answer_bytes(answer, TURTLE).decode().rstrip()
    names = answer.variables()
    rows = [[_cell(row.get(name), base) for name in names] for row in answer.rows()]
    return _aligned(names, rows) + f"\n{len(rows)} row{'' if len(rows) == 1 else 's'}"


def _cell(term: Term | None, base: str) -> str:
    if term is None:
        return ""
    if isinstance(term, ox.NamedNode):
        below = term.value.removeprefix(base)
        text = below if below != term.value else compact(term.value)
    elif isinstance(term, ox.Literal):
        text = term.value
    else:
        text = str(term)
    # A table has one line per row, and a terminal obeys control characters.
    text = "".join(character if character.isprintable() else " " for character in text)
    return text if len(text) <= _WIDEST_CELL else text[: _WIDEST_CELL - 1] + "…"


def _aligned(names: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max([len(name), *(len(row[at]) for row in rows)]) for at, name in enumerate(names)]
    lines = [names, ["─" * width for width in widths], *rows]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )
