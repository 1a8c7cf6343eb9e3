"""One RDF name at a time: mint it, take it apart, shorten it, carry it between the two libraries."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any, NamedTuple, TypeAlias
from urllib.parse import quote

import pyoxigraph as ox

CNRSG = "https://w3id.org/cnrs-graph/ontology#"

#: The prefixes we write and understand, in one table; the first of an IRI wins.
PREFIXES: Mapping[str, str] = {
    "cnrsg": CNRSG,
    "shp": "https://w3id.org/cnrs-graph/shapes#",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "owl": "http://www.w3.org/2002/07/owl#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
    "skos": "http://www.w3.org/2004/02/skos/core#",
    "sh": "http://www.w3.org/ns/shacl#",
    "org": "http://www.w3.org/ns/org#",
    "prov": "http://www.w3.org/ns/prov#",
    "dcterms": "http://purl.org/dc/terms/",
    "dcat": "http://www.w3.org/ns/dcat#",
    "void": "http://rdfs.org/ns/void#",
    "sd": "http://www.w3.org/ns/sparql-service-description#",
    "foaf": "http://xmlns.com/foaf/0.1/",
    "schema": "https://schema.org/",
    "qb": "http://purl.org/linked-data/cube#",
    "sdmx-dimension": "http://purl.org/linked-data/sdmx/2009/dimension#",
    "sdmx-measure": "http://purl.org/linked-data/sdmx/2009/measure#",
    "spdx": "http://spdx.org/rdf/terms#",
    "vcard": "http://www.w3.org/2006/vcard/ns#",
    "adms": "http://www.w3.org/ns/adms#",
    "vann": "http://purl.org/vocab/vann/",
    "geo": "http://www.opengis.net/ont/geosparql#",
    "wgs84": "http://www.w3.org/2003/01/geo/wgs84_pos#",
}

Term: TypeAlias = ox.NamedNode | ox.BlankNode | ox.Literal | ox.Triple
_SEGMENT = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_LOCAL_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+)*")


class ResourceName(NamedTuple):
    """The kind and slug of a thing; the slug of a node that belongs to a thing has several parts.

    >>> ResourceName("term", "ln2/running")
    ResourceName(kind='term', slug='ln2/running')
    """

    kind: str
    slug: str


def resource_iri(base: str, name: ResourceName) -> str:
    """Mint the canonical IRI of a thing.

    >>> resource_iri("https://example.org/", ResourceName("cooperation", "ln2"))
    'https://example.org/id/cooperation/ln2'

    Raises: ValueError if kind or slug is not lower-case ASCII words joined by hyphens, parts by slashes.
    Source: docs/decisions/0001-hash-terms-slash-things.md.
    """
    for segment in (name.kind, *name.slug.split("/")):
        if not _SEGMENT.fullmatch(segment):
            raise ValueError(
                f"{segment!r} is not a slug: lower-case ASCII letters, digits and single hyphens"
            )
    return f"{base}id/{name.kind}/{name.slug}"


def resource_name(base: str, iri: str) -> ResourceName | None:
    """Take the IRI of a thing apart; None when it is not one of ours. The inverse of `resource_iri`."""
    if not iri.startswith(f"{base}id/"):
        return None
    kind, _, slug = iri[len(base) + 3 :].partition("/")
    if not slug or not all(_SEGMENT.fullmatch(part) for part in (kind, *slug.split("/"))):
        return None
    return ResourceName(kind, slug)


def graph_iri(base: str, path: PurePath) -> str:
    """The name of the graph that a source file becomes.

    >>> graph_iri("https://example.org/", PurePath("claims/founding-text.ttl"))
    'https://example.org/graph/claims/founding-text'
    """
    is_packed = path.suffix.lower() == ".gz"
    stem = (path.with_suffix("") if is_packed else path).with_suffix("").as_posix()
    return f"{base}graph/{quote(stem, safe='/-._~')}"


def graph_family(base: str, graph: str) -> str:
    """The family of a graph, the first word of its name: curated, claims, ontology."""
    return graph.removeprefix(f"{base}graph/").partition("/")[0]


def compact(iri: str) -> str:
    """Shorten an IRI with the prefixes we know; one we cannot shorten stays whole, in angle brackets.

    >>> compact("http://www.w3.org/2004/02/skos/core#prefLabel")
    'skos:prefLabel'
    """
    for prefix, namespace in PREFIXES.items():
        local = iri.removeprefix(namespace)
        if local != iri and _LOCAL_NAME.fullmatch(local):
            return f"{prefix}:{local}"
    return f"<{iri}>"


def expand(curie: str) -> str:
    """Lengthen a CURIE with the prefixes we know; an IRI, with or without angle brackets, comes back whole.

    >>> expand("skos:prefLabel")
    'http://www.w3.org/2004/02/skos/core#prefLabel'

    Raises: ValueError if it is neither.
    """
    if curie.startswith("<") and curie.endswith(">"):
        return absolute_iri(curie[1:-1])
    prefix, colon, local = curie.partition(":")
    if colon and prefix in PREFIXES and not local.startswith("//"):
        return absolute_iri(PREFIXES[prefix] + local)
    return absolute_iri(curie)


def absolute_iri(text: str) -> str:
    """Give back an absolute IRI as it is.

    Raises: ValueError if it is not one, by RFC 3987 as the engine reads it.
    """
    if ":" not in text:
        raise ValueError(f"{text!r} is not an absolute IRI")
    return ox.NamedNode(text).value


def local_name(iri: str) -> str:
    """The last part of an IRI, after the hash or the last slash."""
    return re.split(r"[#/]", iri.rstrip("#/"))[-1]


def to_rdflib(term: Term) -> Any:
    """Carry a term over to rdflib, its lexical form untouched.

    Raises: TypeError for a triple term, which rdflib cannot hold.
    """
    rdflib = _rdflib()
    if isinstance(term, ox.NamedNode):
        return rdflib.URIRef(term.value)
    if isinstance(term, ox.BlankNode):
        return rdflib.BNode(term.value)
    if isinstance(term, ox.Literal):
        if term.language:
            return rdflib.Literal(term.value, lang=term.language)
        plain = term.datatype.value == f"{PREFIXES['xsd']}string"
        return rdflib.Literal(term.value, datatype=None if plain else rdflib.URIRef(term.datatype.value))
    raise TypeError(f"{term} has no counterpart in rdflib")


def to_oxigraph(node: Any) -> Term:
    """Carry an rdflib node over to the engine; the inverse of `to_rdflib`.

    Raises: TypeError for a node that is no IRI, blank node or literal.
    """
    rdflib = _rdflib()
    if isinstance(node, rdflib.URIRef):
        return ox.NamedNode(str(node))
    if isinstance(node, rdflib.BNode):
        return ox.BlankNode(str(node))
    if isinstance(node, rdflib.Literal):
        if node.language:
            return ox.Literal(str(node), language=node.language)
        return ox.Literal(str(node), datatype=ox.NamedNode(str(node.datatype)) if node.datatype else None)
    raise TypeError(f"{node!r} is no RDF term")


def _rdflib() -> Any:
    """Import rdflib when it is needed (it is slow) and keep it from rewriting literals."""
    import rdflib

    # "007"^^xsd:integer stays "007": what is validated and published is what was written.
    rdflib.NORMALIZE_LITERALS = False
    return rdflib
