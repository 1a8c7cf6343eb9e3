"""The pages about the terms themselves: the ontology, the code lists, the rules."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import pyoxigraph as ox

from cnrs_graph.descriptions import NAMES, TYPE, Index, facts_about, node_key
from cnrs_graph.pages import DataLink, Desk, Marks, Row, Shown, natural, render
from cnrs_graph.terms import expand, local_name

#: Below these stand the pages of single terms and rules.
TERMS, RULES = "/terms", "/rules"
_SORTS: Sequence[tuple[str, tuple[str, ...]]] = (
    ("classes", ("owl:Class", "rdfs:Class")),
    (
        "properties",
        ("owl:ObjectProperty", "owl:DatatypeProperty", "owl:AnnotationProperty", "rdf:Property"),
    ),
    ("individuals", ("owl:NamedIndividual",)),
)
#: Shown apart, or of no use to a reader of one page.
_APART = {
    *NAMES,
    TYPE,
    *(expand(c) for c in ("skos:definition", "rdfs:comment", "rdfs:isDefinedBy", "owl:disjointWith")),
    "http://www.w3.org/2003/06/sw-vocab-status/ns#term_status",
}
#: The rows that say most come first; comparisons with other vocabularies come last.
_ROW_ORDER = tuple(
    expand(curie)
    for curie in (
        "rdfs:subClassOf",
        "owl:equivalentClass",
        "rdfs:subPropertyOf",
        "rdfs:domain",
        "rdfs:range",
        "owl:inverseOf",
        "owl:propertyChainAxiom",
        "skos:scopeNote",
        "skos:note",
        "skos:example",
    )
)
_SEVERITIES = {expand(f"sh:{name.capitalize()}"): name for name in ("violation", "warning", "info")}


@dataclass(frozen=True)
class TermEntry:
    """A term: its anchor, names, definition and the rest of what is said of it."""

    anchor: str
    name: Shown
    iri: str
    kinds: Sequence[Shown]
    others: Sequence[Shown]
    definition: Sequence[Shown]
    rows: Sequence[Row]


@dataclass(frozen=True)
class Line:
    """A term or a rule in the list of all: anchor, name with the page that says more, definition."""

    anchor: str
    name: Shown
    definition: Sequence[Shown]
    code: str = ""
    severity: str = ""
    parts: Sequence[str] = ()


@dataclass(frozen=True)
class RuleEntry:
    """A rule: what it promises, how grave it is to break it, and what it then says."""

    anchor: str
    name: Shown
    code: str
    iri: str
    severity: str
    definition: Sequence[Shown]
    targets: Sequence[Shown]
    messages: Sequence[Shown]
    rows: Sequence[Row]
    #: The local names of its property shapes, which have an address here too.
    parts: Sequence[str]


def ontology_page(desk: Desk, formats: Sequence[DataLink]) -> bytes:
    """Write the page of all terms, each under its local name."""
    iri = f"{desk.index.base}ontology"
    heading = desk.name(iri) if desk.index.knows(iri) else Shown(desk.word("ontology"))
    sections, placed = [], set[str]()
    terms = desk.index.terms(f"{iri}#")
    for title, curies in _SORTS:
        wanted = {expand(curie) for curie in curies}
        found = [term for term in terms if term not in placed and wanted & set(desk.index.kinds(term))]
        placed |= set(found)
        sections.append((title, [_line(desk, term) for term in found]))
    sections.append(("other-terms", [_line(desk, term) for term in terms if term not in placed]))
    return render(
        desk,
        "ontology.html",
        title=heading.text,
        here="/ontology",
        heading=heading,
        prose=desk.texts(iri, "dcterms:description", "rdfs:comment"),
        sections=[(title, entries) for title, entries in sections if entries],
        lists=[desk.name(each) for each in code_lists(desk.index)],
        versions=desk.texts(iri, "owl:versionInfo"),
        formats=formats,
        iri=iri,
    )


def shapes_page(desk: Desk, formats: Sequence[DataLink]) -> bytes:
    """Write the page of all rules, each under its local name."""
    entries = sorted((_rule_line(desk, shape) for shape in rules(desk.index)), key=lambda r: natural(r.code))
    placed = {name for entry in entries for name in (entry.anchor, *entry.parts)}
    others = [local_name(key) for key in desk.index.terms(f"{desk.index.base}shapes#")]
    return render(
        desk,
        "shapes.html",
        title=desk.word("shapes"),
        here="/shapes",
        rules=entries,
        others=[name for name in others if name not in placed],
        formats=formats,
        iri=f"{desk.index.base}shapes",
    )


def term_page(desk: Desk, iri: str) -> bytes:
    """Write the page of one term, with everything that is said of it."""
    entry = _term(desk, iri)
    return render(desk, "term.html", title=entry.name.text, here="/ontology", entry=entry, up="/ontology")


def rule_page(desk: Desk, iri: str) -> bytes:
    """Write the page of one rule: what it looks at, and what it says when it is broken."""
    entry = _rule(desk, iri)
    return render(desk, "rule.html", title=entry.name.text, here="/shapes", rule=entry, up="/shapes")


def own_pages(index: Index) -> dict[str, Callable[[Desk], bytes]]:
    """The pages of single terms and rules, by path."""
    pages: dict[str, Callable[[Desk], bytes]] = {}
    for iri in index.terms(f"{index.base}ontology#"):
        pages[f"{TERMS}/{local_name(iri)}"] = partial(_page_of, term_page, iri)
    for iri in rules(index):
        pages[f"{RULES}/{local_name(iri)}"] = partial(_page_of, rule_page, iri)
    return pages


def _page_of(write: Callable[[Desk, str], bytes], iri: str, desk: Desk) -> bytes:
    return write(desk, iri)


def list_page(desk: Desk, iri: str, formats: Sequence[DataLink]) -> bytes:
    """Write the page of one code list."""
    concepts = concepts_of(desk.index, iri)
    return render(
        desk,
        "list.html",
        title=desk.name(iri).text,
        here="/ontology",
        heading=desk.name(iri),
        prose=desk.texts(iri, "skos:definition", "dcterms:description", "rdfs:comment"),
        concepts=[
            (desk.name(each), desk.texts(each, "skos:notation"), desk.texts(each, "skos:definition"))
            for each in concepts
        ],
        formats=formats,
        iri=iri,
    )


def lists_page(desk: Desk) -> bytes:
    """Write the page that names all code lists."""
    lists = [
        (
            desk.name(each),
            desk.texts(each, "skos:definition", "dcterms:description"),
            len(concepts_of(desk.index, each)),
        )
        for each in code_lists(desk.index)
    ]
    return render(desk, "lists.html", title=desk.word("lists"), here="/ontology", lists=lists)


def code_lists(index: Index) -> tuple[str, ...]:
    """Our code lists."""
    return tuple(
        iri for iri in index.instances.get(expand("skos:ConceptScheme"), ()) if iri.startswith(index.base)
    )


def concepts_of(index: Index, scheme: str) -> tuple[str, ...]:
    """The concepts of a code list."""
    found = {
        node_key(q.subject)
        for q in index.incoming.get(scheme, ())
        if q.predicate.value == expand("skos:inScheme")
    }
    return tuple(sorted(found))


def rules(index: Index) -> tuple[str, ...]:
    """Our node shapes."""
    return tuple(iri for iri in index.instances.get(expand("sh:NodeShape"), ()) if iri.startswith(index.base))


def _line(desk: Desk, iri: str) -> Line:
    href = desk.local(f"{TERMS}/{local_name(iri)}")
    definition = desk.texts(iri, "skos:definition", "rdfs:comment")
    return Line(local_name(iri), replace(desk.name(iri), href=href), definition)


def _rule_line(desk: Desk, iri: str) -> Line:
    rule = _rule(desk, iri)
    named = replace(rule.name, href=desk.local(f"{RULES}/{rule.anchor}"))
    return Line(rule.anchor, named, rule.definition, rule.code, rule.severity, rule.parts)


def _term(desk: Desk, iri: str) -> TermEntry:
    said = [f for f in facts_about(desk.index, iri) if f.predicate not in _APART and not f.derived]
    facts = sorted(said, key=lambda f: _ROW_ORDER.index(f.predicate) if f.predicate in _ROW_ORDER else 99)
    name = desk.name(iri)
    others = [n for n in desk.index.names.get(iri, ()) if n.language and n.language.lower() != desk.language]
    return TermEntry(
        anchor=local_name(iri),
        name=name,
        iri=iri,
        kinds=[desk.kind(kind) for kind in desk.index.kinds(iri)],
        others=[Shown(each.value, each.language) for each in others],
        definition=desk.texts(iri, "skos:definition", "rdfs:comment"),
        rows=desk.rows(facts, Marks()),
    )


def _rule(desk: Desk, iri: str) -> RuleEntry:
    index = desk.index
    identifiers = index.values(iri, expand("dcterms:identifier"))
    code = identifiers[0].value if identifiers and isinstance(identifiers[0], ox.Literal) else local_name(iri)
    severities = [
        _SEVERITIES[node_key(s)]
        for s in index.values(iri, expand("sh:severity"))
        if node_key(s) in _SEVERITIES
    ]
    messages = [text for shape in _with_parts(index, iri) for text in desk.texts(shape, "sh:message")]
    said = (expand(curie) for curie in ("dcterms:source", f"{index.base}ontology#sourceSentence"))
    wanted = set(said)
    facts = [f for f in facts_about(index, iri) if f.predicate in wanted]
    return RuleEntry(
        anchor=local_name(iri),
        name=desk.name(iri),
        code=code,
        iri=iri,
        severity=severities[0] if severities else "violation",
        definition=desk.texts(iri, "sh:description", "skos:definition", "rdfs:comment"),
        targets=list(_targets(desk, iri)),
        messages=list(dict.fromkeys(messages)),
        rows=desk.rows(facts, Marks()),
        parts=[
            local_name(part) for part in _with_parts(index, iri) if part.startswith(f"{index.base}shapes#")
        ][1:],
    )


def _with_parts(index: Index, shape: str) -> Iterator[str]:
    """A shape, then the property shapes and SPARQL constraints it has."""
    yield shape
    for predicate in ("sh:property", "sh:sparql"):
        for value in index.values(shape, expand(predicate)):
            yield from _with_parts(index, node_key(value))


def _targets(desk: Desk, shape: str) -> Iterator[Shown]:
    for curie in ("sh:targetClass", "sh:targetNode"):
        yield from (desk.term(value) for value in desk.index.values(shape, expand(curie)))
    for curie in ("sh:targetSubjectsOf", "sh:targetObjectsOf"):
        yield from (desk.property(node_key(value)) for value in desk.index.values(shape, expand(curie)))
    kinds = desk.index.kinds(shape)
    if expand("owl:Class") in kinds or expand("rdfs:Class") in kinds:
        yield desk.name(shape)
