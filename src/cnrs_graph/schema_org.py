"""The dataset in the words of schema.org, for search engines that read pages."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import pyoxigraph as ox

from cnrs_graph.catalogue import catalogue_iri
from cnrs_graph.descriptions import chosen_name, node_key
from cnrs_graph.terms import Term, expand, local_name

#: Search engines read no more of a description.
_LONGEST_DESCRIPTION = 5_000
_PUBLIC = "http://publications.europa.eu/resource/authority/access-right/PUBLIC"
#: Characters that could end a script element, or a line of a script, and how JSON says them instead.
_ESCAPED = str.maketrans(
    {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
)


def script_text(document: Mapping[str, Any]) -> str:
    r"""JSON-LD that can stand in a script element of a page, whatever texts are in it.

    >>> script_text({"name": "</script>"})
    '{"name":"\\u003c/script\\u003e"}'

    Source: HTML, section 4.12.1.3, "Restrictions for contents of script elements".
    """
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).translate(_ESCAPED)


def dataset_document(
    catalogue: Iterable[ox.Quad], dataset: str, *, base: str, language: str
) -> dict[str, Any]:
    """A dataset as schema.org describes one, from its description in a catalogue; texts in one language.

    Source: https://schema.org/Dataset.
    """
    facts = _Facts(catalogue, language)
    files = [facts.download(node) for node in facts.iris(dataset, "dcat:distribution")]
    public = _PUBLIC in facts.iris(dataset, "dcterms:accessRights")
    document: dict[str, Any] = {
        "@context": "https://schema.org/",
        "@type": "Dataset",
        "@id": dataset,
        "name": facts.text(dataset, "dcterms:title"),
        "description": facts.text(dataset, "dcterms:description")[:_LONGEST_DESCRIPTION],
        "url": base,
        "identifier": dataset,
        "version": facts.text(dataset, "dcat:version"),
        "license": facts.iris(dataset, "dcterms:license"),
        "creator": [facts.agent(node) for node in facts.iris(dataset, "dcterms:creator")],
        "publisher": [facts.agent(node) for node in facts.iris(dataset, "dcterms:publisher")],
        "creditText": facts.text(dataset, "dcterms:bibliographicCitation"),
        "keywords": facts.texts(dataset, "dcat:keyword"),
        "datePublished": facts.text(dataset, "dcterms:issued"),
        "dateModified": facts.text(dataset, "dcterms:modified"),
        "temporalCoverage": [facts.period(node) for node in facts.iris(dataset, "dcterms:temporal")],
        "spatialCoverage": [facts.place(node) for node in facts.iris(dataset, "dcterms:spatial")],
        "isBasedOn": facts.iris(dataset, "prov:wasDerivedFrom"),
        "isAccessibleForFree": public or None,
        "includedInDataCatalog": {"@type": "DataCatalog", "@id": catalogue_iri(base), "url": base},
        "distribution": [file for file in files if file],
    }
    return {key: _one(value) for key, value in document.items() if value}


class _Facts:
    """The statements of a catalogue, by subject and property."""

    def __init__(self, quads: Iterable[ox.Quad], language: str) -> None:
        self._table: dict[tuple[str, str], list[Term]] = {}
        self._language = language
        for quad in quads:
            self._table.setdefault((node_key(quad.subject), quad.predicate.value), []).append(quad.object)

    def _values(self, subject: str, curie: str) -> list[Term]:
        return self._table.get((subject, expand(curie)), [])

    def iris(self, subject: str, curie: str) -> list[str]:
        """The nodes that a property leads to."""
        return [value.value for value in self._values(subject, curie) if isinstance(value, ox.NamedNode)]

    def texts(self, subject: str, curie: str) -> list[str]:
        """The texts in the language of the best one."""
        found = [value for value in self._values(subject, curie) if isinstance(value, ox.Literal)]
        best = chosen_name(found, (self._language,))
        return [text.value for text in found if best is not None and text.language == best.language]

    def text(self, subject: str, curie: str) -> str:
        """The best text, empty if there is none."""
        return next(iter(self.texts(subject, curie)), "")

    def agent(self, node: str) -> dict[str, Any]:
        """Who is behind it; an organisation unless it is said to be a person."""
        person = expand("foaf:Person") in self.iris(node, "rdf:type")
        kind = "Person" if person else "Organization"
        return _filled({"@type": kind, "@id": node, "name": self.text(node, "foaf:name")})

    def place(self, node: str) -> dict[str, Any]:
        """Where it is about."""
        same = self.iris(node, "skos:exactMatch")
        name = self.text(node, "skos:prefLabel") or local_name(node)
        return _filled({"@type": "Place", "@id": node, "name": name, "sameAs": _one(same)})

    def period(self, node: str) -> str:
        """When it is about, as ISO 8601 writes a time or an interval."""
        start, end = self.text(node, "dcat:startDate"), self.text(node, "dcat:endDate")
        if start == end:
            return start or self.text(node, "rdfs:label")
        return f"{start or '..'}/{end or '..'}"

    def download(self, node: str) -> dict[str, Any]:
        """A file, or nothing for what is no file."""
        addresses = self.iris(node, "dcat:downloadURL")
        if not addresses:
            return {}
        packed = self.iris(node, "dcat:compressFormat")
        types = [iri.split("/", 5)[-1] for iri in (*self.iris(node, "dcat:mediaType"), *packed)]
        checksum = self.iris(node, "spdx:checksum")
        return _filled(
            {
                "@type": "DataDownload",
                "name": self.text(node, "dcterms:title"),
                "description": self.text(node, "dcterms:description"),
                "contentUrl": addresses[0],
                "encodingFormat": _one(types),
                "contentSize": f"{self.text(node, 'dcat:byteSize')} B",
                "sha256": self.text(checksum[0], "spdx:checksumValue") if checksum else "",
            }
        )


def _filled(document: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in document.items() if value}


def _one(value: Any) -> Any:
    return value[0] if isinstance(value, list) and len(value) == 1 else value
