"""The page about one thing: its names, facts, parts, what differs, what is open, and what points at it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import pyoxigraph as ox

from cnrs_graph.descriptions import (
    NAMES,
    PRIMARY_SOURCE,
    TYPE,
    Description,
    Fact,
    Incoming,
    Index,
    Part,
    node_key,
)
from cnrs_graph.pages import DataLink, Desk, Marks, Row, Shown, natural, render
from cnrs_graph.terms import expand

_PROSE = ("skos:definition", "dcterms:description", "skos:scopeNote", "rdfs:comment", "skos:note")
_NAMING = (*NAMES, *(expand(curie) for curie in ("skos:altLabel", "skos:hiddenLabel", "skos:notation")))
#: A text longer than this stands under its line of a table, not in a column.
_COLUMN_CHARACTERS = 40
#: A text longer than this is a paragraph, not a fact in a list.
_FACT_CHARACTERS = 120
#: A class of things below this one gathers what is not known.
_QUESTION = expand("schema:Question")
_ABOVE = ("rdfs:subClassOf", "skos:exactMatch", "skos:closeMatch", "skos:broadMatch")


@dataclass(frozen=True)
class Group:
    """Facts of one sort."""

    title: str
    rows: Sequence[Row]


@dataclass(frozen=True)
class PartRow:
    """A part as a line of a table: the values of each column, and what is said in sentences."""

    name: Shown
    cells: Sequence[tuple[Shown, ...]]
    marks: tuple[int, ...]
    remarks: Sequence[Row]


@dataclass(frozen=True)
class PartTable:
    """The parts of one class."""

    title: Shown
    columns: Sequence[Shown]
    rows: Sequence[PartRow]


@dataclass(frozen=True)
class Disputed:
    """A claim beside what is accepted."""

    about: Shown | None
    label: Shown
    claim: Shown
    accepted: Sequence[Shown]


@dataclass(frozen=True)
class Pointing:
    """Things of one class that point here with one property."""

    kind: Shown | None
    label: Shown
    total: int
    things: Sequence[Shown]


def thing_page(
    desk: Desk,
    description: Description,
    formats: Sequence[DataLink],
    *,
    nav: str = "/browse",
    jsonld: str = "",
) -> bytes:
    """Write the page about one thing; *jsonld* says the same for machines, made to stand in a page."""
    marks = Marks()
    iri, name = description.iri, desk.name(description.iri)
    groups = _groups(desk, description, marks)
    tables = _part_tables(desk, description, marks)
    prose = {expand(curie) for curie in _PROSE}
    claims = [dispute for dispute in description.disputes if dispute.claim.predicate not in prose]
    remarks = [dispute.claim for dispute in description.disputes if dispute.claim.predicate in prose]
    questions = [group for group in description.incoming if _is_question(desk.index, group.kind)]
    others = [group for group in description.incoming if group not in questions]
    return render(
        desk,
        "thing.html",
        title=name.text,
        here=nav,
        name=name,
        kinds=[desk.kind(kind) for kind in description.kinds],
        prose=desk.texts(iri, *_PROSE[:4]),
        notes=desk.texts(iri, _PROSE[4]),
        paragraphs=desk.rows([fact for fact in description.facts if _is_paragraph(fact)], marks),
        groups=groups,
        tables=tables,
        parts_left=description.parts_total - len(description.parts),
        disputes=[_disputed(desk, iri, marks, each.claim, each.accepted) for each in claims],
        remarks=desk.values(remarks, marks),
        unknown=list(_pointing(desk, questions, shown=())),
        incoming=list(_pointing(desk, others, shown=_derived_links(description))),
        sources=desk.source_entries(marks),
        formats=formats,
        iri=iri,
        jsonld=jsonld,
    )


def _groups(desk: Desk, description: Description, marks: Marks) -> list[Group]:
    """The facts in three sorts: what is said of the thing here, its names, links to elsewhere."""
    prose = {expand(curie) for curie in _PROSE}
    parts = {part.key for part in description.parts}
    parts |= {node_key(fact.object) for part in description.parts for fact in part.facts if not fact.derived}
    facts = [
        fact
        for fact in description.facts
        if fact.predicate not in (TYPE, PRIMARY_SOURCE, *prose)
        and not _is_paragraph(fact)
        and not (fact.derived and (node_key(fact.object) in parts or _no_news(desk.index, description, fact)))
    ]
    names = [f for f in facts if f.predicate in _NAMING]
    rest = [f for f in facts if f.predicate not in _NAMING]
    outside = [f for f in rest if _outside(desk, f)]
    ours = sorted((f for f in rest if not _outside(desk, f)), key=_links_first)
    sorts = (
        ("facts", desk.rows(ours, marks)),
        ("names", _name_rows(desk, names, marks)),
        ("elsewhere", desk.rows(outside, marks)),
    )
    return [Group(desk.word(title), rows) for title, rows in sorts if rows]


def _links_first(fact: Fact) -> tuple[bool, bool]:
    """Links before texts and numbers, what is said before what follows."""
    return fact.derived, isinstance(fact.object, ox.Literal)


def _name_rows(desk: Desk, facts: Sequence[Fact], marks: Marks) -> list[Row]:
    """Names in every language."""
    table: dict[str, list[Shown]] = {}
    for fact in facts:
        table.setdefault(fact.predicate, []).append(desk.term(fact.object, marks=marks.of(fact.sources)))
    return [Row(desk.property(predicate), tuple(values)) for predicate, values in table.items()]


def _no_news(index: Index, description: Description, fact: Fact) -> bool:
    """Whether a derived fact only says in a foreign vocabulary, or less exactly, what is said already."""
    if not fact.predicate.startswith(index.base):
        return True
    return any(
        other.object == fact.object and other.predicate != fact.predicate and not other.derived
        for other in description.facts
    )


def _outside(desk: Desk, fact: Fact) -> bool:
    return desk.href(node_key(fact.object))[1]


def _part_tables(desk: Desk, description: Description, marks: Marks) -> list[PartTable]:
    """The parts by class, each class a table whose columns are the properties its nodes have."""
    kinds: dict[str, list[Part]] = {}
    for part in description.parts:
        kinds.setdefault(part.kinds[0] if part.kinds else "", []).append(part)
    return [_part_table(desk, description.iri, kind, parts, marks) for kind, parts in kinds.items()]


def _part_table(desk: Desk, owner: str, kind: str, parts: Sequence[Part], marks: Marks) -> PartTable:
    held = {part.key: [fact for fact in part.facts if _in_table(fact, owner)] for part in parts}
    sentences = {fact.predicate for facts in held.values() for fact in facts if _is_sentence(fact)}
    columns = [column for column in _columns(held.values()) if column not in sentences]
    broader = {column: _broader(desk.index, column, columns) for column in columns}
    columns = [column for column in columns if broader[column] == column]
    rows = []
    for part in sorted(parts, key=lambda part: natural(part.key)):
        facts = held[part.key]
        said = [fact for fact in part.facts if not fact.derived]
        vouching = {source for fact in said for source in fact.sources}
        cells = []
        for column in columns:
            narrow = {column, *(c for c, wide in broader.items() if wide == column)}
            cells.append(_cell(desk, column, [fact for fact in facts if fact.predicate in narrow]))
        remarks = desk.rows([fact for fact in facts if fact.predicate in sentences], Marks())
        remarks = [Row(row.label, tuple(replace(text, marks=()) for text in row.values)) for row in remarks]
        rows.append(PartRow(desk.name(part.key), cells, marks.of(sorted(vouching)), remarks))
    title = desk.name(kind) if kind else Shown(desk.word("other-terms"))
    return PartTable(title, [desk.property(column) for column in columns], rows)


def _columns(lines: Iterable[Sequence[Fact]]) -> list[str]:
    """The properties of some nodes in the order they are written in, each before its follower."""
    columns: list[str] = []
    for facts in lines:
        written = [fact.predicate for fact in facts]
        for at, predicate in enumerate(written):
            if predicate not in columns:
                after = [columns.index(other) for other in written[at:] if other in columns]
                columns.insert(min(after, default=len(columns)), predicate)
    return columns


def _broader(index: Index, column: str, columns: Sequence[str]) -> str:
    """The column that a narrower property shares with the one above it, if that is a column too."""
    above = [node_key(value) for value in index.values(column, expand("rdfs:subPropertyOf"))]
    return next((wide for wide in above if wide in columns and wide != column), column)


def _cell(desk: Desk, column: str, facts: Sequence[Fact]) -> tuple[Shown, ...]:
    """The values of one column, without marks (the line has them); a narrower property is named beside."""
    shown: list[Shown] = []
    for predicate in dict.fromkeys(fact.predicate for fact in facts):
        note = "" if predicate == column else desk.property(predicate).text
        values = desk.values([fact for fact in facts if fact.predicate == predicate], Marks())
        shown += [replace(value, marks=(), note=value.note or note) for value in values]
    return tuple(shown)


def _is_paragraph(fact: Fact) -> bool:
    """Whether a text of the thing is too long for a list of facts; names and prose have their own places."""
    return (
        isinstance(fact.object, ox.Literal)
        and len(fact.object.value) > _FACT_CHARACTERS
        and fact.predicate not in (*_NAMING, *(expand(curie) for curie in _PROSE))
    )


def _is_sentence(fact: Fact) -> bool:
    """Whether a value is running text, too long for a column."""
    return isinstance(fact.object, ox.Literal) and len(fact.object.value) > _COLUMN_CHARACTERS


def _in_table(fact: Fact, owner: str) -> bool:
    return (
        not fact.derived and fact.predicate not in (TYPE, PRIMARY_SOURCE) and node_key(fact.object) != owner
    )


def _disputed(desk: Desk, iri: str, marks: Marks, claim: Fact, accepted: Sequence[Fact]) -> Disputed:
    subject = node_key(claim.subject)
    return Disputed(
        about=None if subject == iri else desk.name(subject),
        label=desk.property(claim.predicate),
        claim=desk.term(claim.object, marks=marks.of(claim.sources)),
        accepted=[desk.term(fact.object, marks=marks.of(fact.sources)) for fact in accepted],
    )


def _derived_links(description: Description) -> set[str]:
    """What the thing is linked to by derived statements: the same links, seen from the other end."""
    return {node_key(fact.object) for fact in description.facts if fact.derived} - {""}


def _pointing(desk: Desk, groups: Iterable[Incoming], *, shown: Collection[str]) -> Iterator[Pointing]:
    """What points here, without what the facts show already."""
    for group in groups:
        things = [thing for thing in group.things if thing not in shown or group.truncated]
        if things:
            yield Pointing(
                desk.kind(group.kind) if group.kind else None,
                desk.property(group.predicate),
                group.total - len(group.things) + len(things),
                [desk.name(thing) for thing in things],
            )


def _is_question(index: Index, kind: str) -> bool:
    """Whether a class is, is a kind of, or is matched with the class of questions."""
    seen, waiting = set(), [kind]
    while waiting:
        current = waiting.pop()
        if current == _QUESTION:
            return True
        if current not in seen:
            seen.add(current)
            for curie in _ABOVE:
                above = index.values(current, expand(curie))
                waiting += [node_key(term) for term in above if isinstance(term, ox.NamedNode)]
    return False
