"""The JSON-LD context of an ontology: short names for its terms, and what their values are."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import pyoxigraph as ox

from cnrs_graph.terms import PREFIXES, compact, expand

#: Values that are IRIs, in JSON-LD.
LINK = "@id"
_TERMS = ("owl:Class", "rdfs:Class", "owl:ObjectProperty", "owl:DatatypeProperty", "owl:AnnotationProperty")
#: Texts need no type.
_TEXTS = (expand("xsd:string"), expand("rdf:langString"))

Definition: TypeAlias = str | Mapping[str, str]


@dataclass(frozen=True)
class Context:
    """Names for IRIs in JSON-LD.

    `definitions` is the published context: prefixes, terms of the ontology by their local names, properties
    of other vocabularies by CURIE. Every definition holds whole IRIs, so that a document can carry those it
    uses.
    """

    version: str
    definitions: Mapping[str, Definition]

    def document(self) -> bytes:
        """The context as it is published."""
        return f"{json.dumps({'@context': self.definitions}, ensure_ascii=False, indent=2)}\n".encode()

    @cached_property
    def names(self) -> Mapping[str, tuple[str, str]]:
        """For each IRI with a name: the name, and the type of its values (a datatype, `@id`, or nothing)."""
        found = {}
        for name, definition in self.definitions.items():
            if isinstance(definition, str):
                found[definition] = (name, "")
            else:
                found[definition["@id"]] = (name, definition.get("@type", ""))
        return {iri: entry for iri, entry in found.items() if not iri.endswith(("#", "/"))}


def context_of(base: str, statements: Iterable[ox.Quad]) -> Context:
    """Make the context of an ontology; where that leaves the datatype of values open, shapes may settle it.

    Graphs: reads the statements given, whatever graph they stand in.
    Source: JSON-LD 1.1, sections 3.1 (the context) and 4.2.3 (type coercion).
    """
    about: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for quad in statements:
        if isinstance(quad.subject, ox.NamedNode) and isinstance(quad.object, ox.NamedNode | ox.Literal):
            about[quad.subject.value][quad.predicate.value].append(quad.object.value)
    kinds = {expand(curie) for curie in _TERMS}
    terms = {
        iri: facts for iri, facts in sorted(about.items()) if kinds & set(facts.get(expand("rdf:type"), ()))
    }
    demanded = _demanded(about)
    prefixes = {**PREFIXES, "cnrsg": f"{base}ontology#", "shp": f"{base}shapes#"}
    definitions: dict[str, Definition] = dict(sorted(prefixes.items()))
    for iri, facts in terms.items():
        name = _name(base, iri, definitions)
        values = _values(facts) or demanded.get(iri, "")
        if name is not None and (values or iri.startswith(base)):
            definitions[name] = {"@id": iri, "@type": values} if values else iri
    versions = about[f"{base}ontology"][expand("owl:versionInfo")]
    return Context(next(iter(versions), ""), definitions)


def _name(base: str, iri: str, taken: Mapping[str, Definition]) -> str | None:
    """The local name of a term of ours, the CURIE of another's; None where there is no safe one."""
    own = iri.removeprefix(f"{base}ontology#")
    if own != iri:
        return own if own and own not in taken and not own.startswith("@") and ":" not in own else None
    short = compact(iri)
    return None if short.startswith("<") or short in taken else short


def _demanded(about: Mapping[str, Mapping[str, list[str]]]) -> dict[str, str]:
    """The datatype that every shape of a property demands."""
    found: dict[str, set[str]] = defaultdict(set)
    for facts in about.values():
        for path in facts.get(expand("sh:path"), ()):
            found[path].update(facts.get(expand("sh:datatype"), ()))
    return {path: min(types) for path, types in found.items() if len(types) == 1 and not types & set(_TEXTS)}


def _values(facts: Mapping[str, list[str]]) -> str:
    """What all values of a property are: `@id`, one datatype, or nothing that is certain."""
    kinds = facts[expand("rdf:type")]
    if expand("owl:ObjectProperty") in kinds:
        return LINK
    ranges = facts.get(expand("rdfs:range"), [])
    is_certain = len(ranges) == 1 and ranges[0].startswith(PREFIXES["xsd"]) and ranges[0] not in _TEXTS
    return ranges[0] if is_certain and expand("owl:DatatypeProperty") in kinds else ""
