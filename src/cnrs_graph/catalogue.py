"""The dataset as catalogues list it: what the data says of it, its files and its endpoint, by DCAT 3."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import pyoxigraph as ox

from cnrs_graph.descriptions import node_key
from cnrs_graph.dumps import Dump
from cnrs_graph.formats import RESULT_FORMATS, Format
from cnrs_graph.inventory import Writer, dataset_iri, w3c_format
from cnrs_graph.terms import Term, expand
from cnrs_graph.words import WORDS

#: The class of what each property of a catalogue leads to; a text in its place gets a node of this class.
_CLASSES: Mapping[str, str] = {
    "dcterms:publisher": "foaf:Agent",
    "dcterms:creator": "foaf:Agent",
    "dcterms:license": "dcterms:LicenseDocument",
    "dcterms:rights": "dcterms:RightsStatement",
    "dcterms:accessRights": "dcterms:RightsStatement",
    "dcterms:language": "dcterms:LinguisticSystem",
    "dcterms:spatial": "dcterms:Location",
    "dcterms:temporal": "dcterms:PeriodOfTime",
    "dcterms:accrualPeriodicity": "dcterms:Frequency",
    "dcterms:conformsTo": "dcterms:Standard",
    "dcat:theme": "skos:Concept",
    "dcat:contactPoint": "vcard:Kind",
    "dcat:landingPage": "foaf:Document",
    "foaf:page": "foaf:Document",
}
#: How a node that stands for a text says that text.
_NAMED_BY: Mapping[str, str] = {
    "foaf:Agent": "foaf:name",
    "dcterms:Location": "skos:prefLabel",
    "skos:Concept": "skos:prefLabel",
    "vcard:Kind": "vcard:fn",
}
#: What the publisher of a catalogue says of the one dataset in it holds for the catalogue too.
_OF_CATALOGUE = (
    "dcterms:description",
    "dcterms:publisher",
    "dcterms:creator",
    "dcterms:license",
    "dcterms:language",
    "dcterms:spatial",
    "dcterms:temporal",
    "dcterms:issued",
    "dcterms:modified",
)
#: And for each of its files.
_OF_FILE = ("dcterms:license", "dcterms:language", "dcterms:issued", "dcterms:modified")
#: What is repeated of the nodes that a dataset leads to.
_REPEATED = tuple(
    expand(curie)
    for curie in (
        "rdf:type",
        "foaf:name",
        "foaf:homepage",
        "skos:prefLabel",
        "skos:exactMatch",
        "dcat:startDate",
        "dcat:endDate",
        "vcard:fn",
        "vcard:hasEmail",
        "vcard:hasURL",
    )
)
#: DCAT-AP's names for the formats of files, in the authority list of the European Union.
_FILE_TYPES: Mapping[str, str] = {"nquads": "RDF_N_QUADS", "trig": "RDF_TRIG", "turtle": "RDF_TURTLE"}
_FILE_TYPE = "http://publications.europa.eu/resource/authority/file-type/"
_MEDIA_TYPE = "https://www.iana.org/assignments/media-types/"
#: Languages by their tags; what IRIs there are for languages is chosen by whoever writes the data.
_LANGUAGE = "http://id.loc.gov/vocabulary/iso639-1/"
_PROTOCOL = "https://www.w3.org/TR/sparql11-protocol/"
_FORMAT_NAMES: Mapping[str, str] = {"nquads": "N-Quads", "trig": "TriG", "turtle": "Turtle"}

About = Callable[[str], Iterable[ox.Quad]]


def catalogue_iri(base: str) -> str:
    """The IRI of the catalogue."""
    return f"{base}catalog"


def dump_iri(base: str, dump: Dump) -> str:
    """The address of a file with the dataset."""
    return f"{base}dump/{dump.name}"


def described_dataset(base: str, datasets: Sequence[str]) -> str:
    """The dataset that the files hold: the first that the data describes, else everything as a whole."""
    return datasets[0] if datasets else dataset_iri(base)


@dataclass(frozen=True)
class Shelf:
    """What goes into a catalogue: titles by language, what the data describes, the files there are."""

    base: str
    title: Mapping[str, str]
    datasets: Sequence[str]
    about: About
    dumps: Sequence[Dump] = ()


def describe_catalogue(shelf: Shelf) -> tuple[ox.Quad, ...]:
    """Describe the dataset, its files with sizes and checksums, and its endpoint, the way catalogues need it.

    What the data says is kept; where a catalogue needs a node and the data has a text, the node is made and
    says the text. Nothing is said that the data does not say: no publisher, no licence, no date.

    Graphs: none is named.
    Source: DCAT 3, sections 5 and 6; DCAT-AP 3.0.1 for what must be a node of which class.
    """
    base, main = shelf.base, described_dataset(shelf.base, shelf.datasets)
    catalogue, service = catalogue_iri(base), f"{base}sparql#service"
    facts = _Facts(shelf)
    write = facts.write
    write.link(catalogue, "rdf:type", expand("dcat:Catalog"))
    facts.title(catalogue)
    facts.says(catalogue, main, _OF_CATALOGUE)
    if not any(q.predicate.value == _DESCRIPTION for q in shelf.about(main)):
        for language, text in shelf.title.items():
            write.text(catalogue, "dcterms:description", text, language)
    write.link(catalogue, "foaf:homepage", base)
    write.link(base, "rdf:type", expand("foaf:Document"))
    write.link(catalogue, "dcat:service", service)
    for iri in dict.fromkeys((main, *shelf.datasets)):
        write.link(catalogue, "dcat:dataset", iri)
        _dataset(facts, iri)
    write.link(main, "dcat:landingPage", base)
    for dump in shelf.dumps:
        write.link(main, "dcat:distribution", _file(facts, main, dump))
    write.link(main, "dcat:distribution", _endpoint(facts, main, service))
    return tuple(dict.fromkeys(write.quads))


def _dataset(facts: _Facts, iri: str) -> None:
    """What the data says of a dataset."""
    write = facts.write
    write.link(iri, "rdf:type", expand("dcat:Dataset"))
    write.typed(iri, "dcterms:identifier", iri, "xsd:anyURI")
    facts.says(iri, iri)
    for curie in ("dcterms:title", "dcterms:description"):
        if not any(q.predicate.value == expand(curie) for q in facts.shelf.about(iri)):
            for language, text in facts.shelf.title.items():
                write.text(iri, curie, text, language)


def _file(facts: _Facts, main: str, dump: Dump) -> str:
    """A file as a distribution."""
    base, write = facts.shelf.base, facts.write
    node, address = f"{catalogue_iri(base)}#{dump.name}", dump_iri(base, dump)
    write.link(node, "rdf:type", expand("dcat:Distribution"))
    write.text(node, "dcterms:title", _FORMAT_NAMES[dump.fmt.name] + (" (gzip)" if dump.is_packed else ""))
    key = "dump-whole" if dump.is_whole else "dump-accepted"
    for language, table in WORDS.items():
        write.text(node, "dcterms:description", table[key], language)
    write.link(node, "dcat:accessURL", address)
    write.link(node, "dcat:downloadURL", address)
    facts.media_type(node, "dcat:mediaType", dump.fmt.media_type)
    if dump.is_packed:
        facts.media_type(node, "dcat:compressFormat", "application/gzip")
    file_type = f"{_FILE_TYPE}{_FILE_TYPES[dump.fmt.name]}"
    write.link(node, "dcterms:format", file_type)
    write.link(file_type, "rdf:type", expand("dcterms:MediaTypeOrExtent"))
    write.typed(node, "dcat:byteSize", str(dump.size), "xsd:nonNegativeInteger")
    checksum, algorithm = f"{node}-sha256", expand("spdx:checksumAlgorithm_sha256")
    write.link(node, "spdx:checksum", checksum)
    write.link(checksum, "rdf:type", expand("spdx:Checksum"))
    write.link(checksum, "spdx:algorithm", algorithm)
    write.link(algorithm, "rdf:type", expand("spdx:ChecksumAlgorithm"))
    write.typed(checksum, "spdx:checksumValue", dump.sha256, "xsd:hexBinary")
    facts.says(node, main, _OF_FILE)
    return node


def _endpoint(facts: _Facts, main: str, service: str) -> str:
    """The SPARQL endpoint as a service, and as a way to get at the dataset."""
    shelf, write = facts.shelf, facts.write
    node, address = f"{catalogue_iri(shelf.base)}#sparql", f"{shelf.base}sparql"
    write.link(service, "rdf:type", expand("dcat:DataService"))
    write.link(service, "dcat:endpointURL", address)
    write.link(service, "dcat:endpointDescription", address)
    write.link(service, "dcat:servesDataset", main)
    write.link(service, "dcterms:conformsTo", _PROTOCOL)
    write.link(_PROTOCOL, "rdf:type", expand("dcterms:Standard"))
    for fmt in RESULT_FORMATS:
        facts.result_format(service, fmt)
    facts.says(service, main, ("dcterms:license", "dcterms:publisher", "dcterms:accessRights"))
    write.link(node, "rdf:type", expand("dcat:Distribution"))
    write.link(node, "dcat:accessURL", address)
    write.link(node, "dcat:accessService", service)
    facts.says(node, main, ("dcterms:license",))
    for language, text in shelf.title.items():
        write.text(service, "dcterms:title", f"{text} (SPARQL)", language)
        write.text(node, "dcterms:title", f"{text} (SPARQL)", language)
    return node


class _Facts:
    """Writes what the data says so that a catalogue can read it."""

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf
        self.write = Writer()

    def title(self, subject: str) -> None:
        """The title of the publication."""
        for language, text in self.shelf.title.items():
            self.write.text(subject, "dcterms:title", text, language)

    def says(self, subject: str, source: str, curies: Sequence[str] | None = None) -> None:
        """Say of a subject what the data says of *source*, under these properties only if some are given."""
        wanted = {expand(curie) for curie in curies} if curies is not None else None
        for quad in self.shelf.about(source):
            predicate = quad.predicate.value
            if wanted is None or predicate in wanted:
                self._say(subject, predicate, quad.object)

    def media_type(self, subject: str, curie: str, media_type: str) -> None:
        """Name a media type."""
        self.write.link(subject, curie, f"{_MEDIA_TYPE}{media_type}")
        self.write.link(f"{_MEDIA_TYPE}{media_type}", "rdf:type", expand("dcterms:MediaType"))

    def result_format(self, subject: str, fmt: Format) -> None:
        """Name a format of answers."""
        self.write.link(subject, "dcterms:format", w3c_format(fmt))
        self.write.link(w3c_format(fmt), "rdf:type", expand("dcterms:MediaTypeOrExtent"))

    def _say(self, subject: str, predicate: str, value: Term) -> None:
        if predicate == _SOURCE:
            # In a catalogue a source is a dataset; what the data was made from may be anything.
            self.write.term(subject, "prov:wasDerivedFrom", value)
            return
        kind = _CLASS_OF.get(predicate)
        if kind is None:
            self.write.quads.append(ox.Quad(ox.NamedNode(subject), ox.NamedNode(predicate), value))
            return
        node = value.value if isinstance(value, ox.NamedNode) else self._node(kind, value)
        self.write.quads.append(ox.Quad(ox.NamedNode(subject), ox.NamedNode(predicate), ox.NamedNode(node)))
        self.write.link(node, "rdf:type", expand(kind))
        for quad in self.shelf.about(node):
            if quad.predicate.value in _REPEATED:
                self.write.quads.append(ox.Quad(quad.subject, quad.predicate, quad.object))

    def _node(self, kind: str, value: Term) -> str:
        """The node that stands for a text."""
        text = value.value if isinstance(value, ox.Literal) else node_key(value)
        if kind == "dcterms:LinguisticSystem" and isinstance(value, ox.Literal) and text.isalpha():
            return f"{_LANGUAGE}{text.lower()}"
        handle = hashlib.sha256(text.encode()).hexdigest()[:12]
        node = f"{catalogue_iri(self.shelf.base)}#{kind.partition(':')[2].lower()}-{handle}"
        is_date = isinstance(value, ox.Literal) and value.datatype.value in _DATES
        if is_date and kind == "dcterms:PeriodOfTime":
            self.write.term(node, "dcat:startDate", value)
            self.write.term(node, "dcat:endDate", value)
        else:
            self.write.term(node, _NAMED_BY.get(kind, "rdfs:label"), value)
        return node


_DATES = {expand(f"xsd:{name}") for name in ("gYear", "gYearMonth", "date", "dateTime")}
_CLASS_OF = {expand(curie): kind for curie, kind in _CLASSES.items()}
_SOURCE, _DESCRIPTION = expand("dcterms:source"), expand("dcterms:description")
