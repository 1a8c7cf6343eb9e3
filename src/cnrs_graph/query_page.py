"""The page of a saved query: a form for its parameters, and the answer below."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from cnrs_graph.answers import ANSWER_FORMATS
from cnrs_graph.choices import Choice
from cnrs_graph.executables import text_to_run
from cnrs_graph.formats import GEOJSON, Format
from cnrs_graph.pages import FORMAT_NAMES, DataLink, Desk, render
from cnrs_graph.queries import Parameter, SavedQuery
from cnrs_graph.sheets import has_positions
from cnrs_graph.store import Form

#: More values than this make no list to choose from; they are typed.
MOST_OPTIONS = 500
_TYPES: Mapping[str, str] = {"integer": "number", "date": "date"}
_PATTERNS: Mapping[str, str] = {"gYear": "[0-9]{4}"}


@dataclass(frozen=True)
class Option:
    """A value to choose."""

    value: str
    text: str
    language: str | None = None
    selected: bool = False


@dataclass(frozen=True)
class Field:
    """A parameter in the form: a list to choose from, or a place to type."""

    name: str
    description: str
    value: str
    type: str = "text"
    pattern: str = ""
    required: bool = False
    options: tuple[Option, ...] = ()


@dataclass(frozen=True)
class Filled:
    """A saved query with the values it is asked with: those given, their terms, and the query they make."""

    saved: SavedQuery
    values: Mapping[str, str]
    terms: Mapping[str, str]
    text: str


def answer_formats(saved: SavedQuery) -> tuple[Format, ...]:
    """The formats a saved query is answered in; points for a map where its rows have positions."""
    form = saved.facts.form
    offered = ANSWER_FORMATS[Form.CONSTRUCT if form == "DESCRIBE" else Form(form)]
    return tuple(fmt for fmt in offered if fmt is not GEOJSON or has_positions(saved.facts.variables))


def page(
    desk: Desk,
    filled: Filled,
    allowed: Mapping[str, Sequence[Choice]],
    answer: Mapping[str, Any] | None,
) -> bytes:
    """Write the page of a saved query; *answer* is what to show of the answer, if it was asked for."""
    saved, language = filled.saved, desk.language
    title, spoken = saved.titled(language)
    question, asked_in = saved.said("question", language)
    path = f"/queries/{quote(saved.name, safe='')}"
    address, data = desk.local(path), desk.file(path)
    return render(
        desk,
        "query.html",
        title=title,
        here="/queries",
        title_text=desk.spoken(title, spoken),
        name=saved.name,
        question=desk.spoken(question, asked_in) if question not in ("", title) else None,
        **form_of(desk, filled, allowed, address),
        written=text_to_run(filled.text),
        edit=desk.local(f"/sparql?query={quote(text_to_run(filled.text), safe='')}"),
        source=f"{data}.rq",
        description=_description(desk, saved, data),
        answered=answer is not None,
        **(answer or {}),
    )


def form_of(
    desk: Desk, filled: Filled, allowed: Mapping[str, Sequence[Choice]], address: str
) -> dict[str, Any]:
    """What the form of a saved query shows when it is sent to an address, and links to its answer as data."""
    saved = filled.saved
    stem = desk.file(f"/queries/{quote(saved.name, safe='')}")
    asked = f"?{urlencode(filled.values)}" if filled.values else ""
    return {
        "address": address,
        "fields": [_field(desk, each, filled, allowed.get(each.name)) for each in saved.parameters],
        "formats": [
            DataLink(FORMAT_NAMES[fmt.name], f"{stem}.{fmt.extension}{asked}", fmt.media_type)
            for fmt in answer_formats(saved)
        ],
    }


def _description(desk: Desk, saved: SavedQuery, address: str) -> str:
    """Where a query is described; the answers of one that gives triples have the address themselves."""
    if saved.facts.form in ("SELECT", "ASK"):
        return f"{address}.ttl"
    return desk.file("/queries.ttl")


def _field(desk: Desk, parameter: Parameter, filled: Filled, allowed: Sequence[Choice] | None) -> Field:
    value = filled.values.get(parameter.name, parameter.default)
    options: tuple[Option, ...] = ()
    if allowed and len(allowed) <= MOST_OPTIONS:
        term = filled.terms.get(parameter.name, parameter.term)
        options = tuple(_option(desk, parameter, choice, chosen=choice.term == term) for choice in allowed)
    return Field(
        name=parameter.name,
        description=parameter.description,
        value=value,
        type=_TYPES.get(parameter.kind, "text"),
        pattern=_PATTERNS.get(parameter.kind, ""),
        required=parameter.kind != "string",
        options=options,
    )


def _option(desk: Desk, parameter: Parameter, choice: Choice, *, chosen: bool) -> Option:
    if parameter.kind != "iri":
        return Option(choice.value, choice.value, selected=chosen)
    shown = desk.name(choice.value)
    return Option(choice.value, shown.text, shown.language, selected=chosen)
