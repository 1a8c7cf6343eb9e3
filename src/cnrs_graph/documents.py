"""What stands at each path: things, terms, lists, graphs, the dataset, each with its statements and page."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import quote, unquote

import pyoxigraph as ox

from cnrs_graph import list_pages, term_pages
from cnrs_graph.addresses import data_path, encoded, folded, path_of, prefix_of
from cnrs_graph.catalogue import (
    Shelf,
    catalogue_iri,
    describe_catalogue,
    described_dataset,
    dump_iri,
)
from cnrs_graph.choices import Choice, choices, limits
from cnrs_graph.citations import CITATION_FORMATS, Citation, citation_bytes
from cnrs_graph.citations import NAMES as CITATION_NAMES
from cnrs_graph.context import Context, context_of
from cnrs_graph.dataset import graph_name
from cnrs_graph.descriptions import (
    INCOMING_LIMIT,
    Index,
    build_index,
    describe,
    document,
    node_key,
    pointing,
)
from cnrs_graph.dumps import Dump, read_dumps, temporary_dumps
from cnrs_graph.errors import EndpointError, UnknownResourceError
from cnrs_graph.executables import queries_iri, query_iri
from cnrs_graph.formats import GRAPH_FORMATS, PAGE, Format
from cnrs_graph.front_page import Overview, front_page, overview
from cnrs_graph.inventory import (
    dataset_iri,
    default_graph_of,
    describe_census,
    describe_dataset,
    describe_graphs,
    graph_list_iri,
    graph_sizes,
    published_datasets,
)
from cnrs_graph.lookup import Kept, Stored
from cnrs_graph.narrowing import Narrowing
from cnrs_graph.pages import DataLink, Desk, Shown, data_links
from cnrs_graph.publication import Publication
from cnrs_graph.queries import SavedQuery
from cnrs_graph.query_page import Filled, page
from cnrs_graph.register import Retired
from cnrs_graph.representations import embedded, graph_bytes
from cnrs_graph.rulebook import Rulebook, rulebook
from cnrs_graph.schema_org import dataset_document, script_text
from cnrs_graph.search import SearchIndex, search_index
from cnrs_graph.terms import expand, graph_family
from cnrs_graph.thing_page import Beside, incoming_page, thing_page
from cnrs_graph.views import view_links
from cnrs_graph.words import WORDS

_LOG = logging.getLogger(__name__)

#: Paths that the web door answers itself; their other spellings lead to them.
ANSWERED_ELSEWHERE = ("/sparql", "/search", "/reconcile", "/counts", "/health", "/ready", "/openapi.json")
#: Below these stand citations, and the pages of what points at something.
CITE, INCOMING = "/cite", "/incoming"
#: So many finished bodies are kept; a publication does not change while it is served.
_KEPT_BODIES = 2000
#: A graph of a store with more statements than this is no document; so many of them its page then shows.
GRAPH_LIMIT = 100_000
GRAPH_SHOWN = 5_000
#: What an endpoint elsewhere calls its things is asked again after this long.
_SEARCH_SECONDS = 3_600.0


@dataclass(frozen=True)
class Document:
    """What stands at one path: what it is about, its statements, its page.

    `stem` is the path whose extensions are the addresses of the single formats.
    """

    iri: str
    path: str
    stem: str
    page: Callable[[Desk], bytes] | None = None
    quads: Callable[[], Sequence[ox.Quad]] | None = None
    kinds: tuple[str, ...] = ()
    #: Whether claims that differ are left to the formats that can say in which graph they stand.
    keeps_claims_apart: bool = False

    @property
    def offered(self) -> tuple[Format, ...]:
        """The formats it can be had in; a page for who accepts anything, if there is one."""
        data = GRAPH_FORMATS if self.quads is not None else ()
        return (PAGE, *data) if self.page is not None else data

    def variants(self) -> list[tuple[Format, str]]:
        """The addresses of its data formats."""
        return (
            [(fmt, f"{self.stem}.{fmt.extension}") for fmt in GRAPH_FORMATS] if self.quads is not None else []
        )


class Documents:
    """Everything a publication has a page for, by path; put in order once, then only read."""

    def __init__(self, publication: Publication) -> None:
        self.publication = publication
        self.base = publication.base
        self.prefix = prefix_of(publication.public_url)
        self._stored = publication.stored
        self.index: Index = (
            self._stored.index
            if self._stored is not None
            else build_index(publication.said, publication.inferred, outside=publication.outside_default)
        )
        self._bodies: dict[tuple[str, str, str], bytes] = {}
        self._choices: dict[str, Mapping[str, Sequence[Choice]]] = {}
        self._limits: dict[str, Mapping[str, Mapping[str, str]]] = {}
        self._keeping = threading.Lock()
        self._kept_overview: Overview | None = None
        self._dumping = threading.Lock()
        self._dumps: tuple[Dump, ...] | None = None
        changes = self._stored is not None and self._stored.changes
        self._search: Kept[str, SearchIndex] = Kept(1, _SEARCH_SECONDS if changes else None)
        #: Kept, so that the page about an endpoint that fails needs nothing from it.
        self._of_dataset: dict[str, str] = {}
        for curie in ("dcterms:license", "dcat:version", "owl:versionInfo"):
            self.of_dataset(curie)

    @property
    def root(self) -> str:
        """Where the site is, as a whole address with a slash at its end: the public one, else the base."""
        public = self.publication.public_url
        return f"{public.rstrip('/')}/" if "://" in public else self.base

    @property
    def search(self) -> SearchIndex:
        """What can be found by name; made when it is first asked for."""
        return self._search.made("", lambda: search_index(self.index, self._stored))

    def desk(self, language: str, *, addressed: bool = False, path: str = "") -> Desk:
        """What pages in a language are made with."""
        publication = self.publication
        title = publication.title.get(language) or next(iter(publication.title.values()), self.base)
        return Desk(
            index=self.index,
            language=language,
            prefix=self.prefix,
            title=title,
            notice=publication.notice.get(language, ""),
            licence=self.of_dataset("dcterms:license"),
            version=self.of_dataset("dcat:version") or self.of_dataset("owl:versionInfo"),
            addressed=addressed,
            path=path,
        )

    def body(self, doc: Document, fmt: Format, language: str, *, addressed: bool = False) -> bytes:
        """A document in one format, made once.

        Raises: NotAcceptableError when RDF/XML cannot hold a statement.
        """
        key = (
            doc.path if fmt is PAGE else doc.stem,
            fmt.name,
            f"{language}{'/' if addressed else ''}" if fmt is PAGE else "",
        )
        kept = self._bodies.get(key)
        if kept is not None:
            return kept
        if fmt is PAGE and doc.page is not None:
            body = doc.page(self.desk(language, addressed=addressed, path=doc.path))
        else:
            quads = self._quads(doc, fmt)
            body = graph_bytes(quads, fmt, base=self.base, first=doc.iri, context=self.context)
        if self._stored is not None and self._stored.changes:
            return body
        with self._keeping:
            if len(self._bodies) >= _KEPT_BODIES:
                del self._bodies[next(iter(self._bodies))]
            self._bodies[key] = body
        return body

    def _quads(self, doc: Document, fmt: Format) -> Sequence[ox.Quad]:
        """The statements of a document; a format that knows no graphs gets only the accepted ones, if any."""
        quads = doc.quads() if doc.quads is not None else ()
        if fmt.keeps_graphs or not doc.keeps_claims_apart or doc.iri not in self.index.accepted:
            return quads
        outside = self.publication.outside_default
        return [quad for quad in quads if graph_family(self.base, graph_name(quad)) not in outside]

    @cached_property
    def by_path(self) -> Mapping[str, Document]:
        """What stands at each path that has a page, things at the path of their page.

        Of a store the things are left out: `at` finds them.
        """
        found = {doc.path: doc for doc in (*self._things(), *self._graphs(), *self._fixed())}
        versions = [
            node_key(value)
            for name in ("ontology", "shapes")
            for value in self.index.values(f"{self.base}{name}", expand("owl:versionIRI"))
        ]
        for iri in versions:
            path, name = path_of(self.base, iri), iri.removeprefix(self.base).partition("/")[0]
            if path is not None and f"/{name}" in found:
                now = found[f"/{name}"]
                found[path] = Document(now.iri, path, now.stem, now.page, now.quads)
        return found

    def at(self, path: str) -> Document | None:
        """What stands at a path that has a page."""
        found = self.by_path.get(path)
        if found is not None or self._stored is None:
            return found
        tail = path[len("/doc/") :] if path.startswith("/doc/") else path[1:]
        start = f"{self.base}id/" if path.startswith("/doc/") else self.base
        for iri in dict.fromkeys((f"{start}{tail}", f"{start}{unquote(tail)}")):
            if path_of(self.base, iri) == path and self.index.knows(iri):
                return self._thing(iri)
        return None

    def spelling(self, key: str) -> str:
        """The path that a folded one means; empty where that is not certain."""
        known = self.spellings.get(key)
        if known is not None or self._stored is None:
            return known or ""
        found = self.at(encoded(key))
        return found.path if found is not None else ""

    @cached_property
    def spellings(self) -> Mapping[str, str]:
        """The path that each other spelling of it means, where that is certain."""
        table: dict[str, str] = {}
        for path in (*self.by_path, *self.plain_pages, *ANSWERED_ELSEWHERE, *self.retired, *self.contexts):
            key = folded(path)
            table[key] = "" if key in table and table[key] != path else path
        return table

    @cached_property
    def context(self) -> Context:
        """The words of our JSON-LD."""
        return context_of(self.base, self.publication.said.only("ontology", "shapes").quads)

    @cached_property
    def contexts(self) -> Mapping[str, bytes]:
        """The context as it is now, and every version that was released, by path."""
        now = self.context.document()
        released = {f"/context/{version}.jsonld": body for version, body in self.publication.contexts.items()}
        own = {f"/context/{self.context.version}.jsonld": now} if self.context.version else {}
        return {"/context.jsonld": now, **own, **released}

    @cached_property
    def retired(self) -> Mapping[str, Retired]:
        """What is published no more, by the path that its page had."""
        return {path_of(self.base, iri) or "": found for iri, found in self.publication.retired.items()}

    def _things(self) -> Iterator[Document]:
        for iri in {*self.index.accepted, *self.index.claimed}:
            found = self._thing(iri)
            if found is not None:
                yield found

    def _thing(self, iri: str) -> Document | None:
        path = path_of(self.base, iri)
        if path is None or "#" in path or path == "/" or iri in self.publication.retired:
            return None
        first = data_path(self.base, iri, "")
        return Document(
            iri,
            path,
            first.rstrip(".") if first is not None else path,
            self._thing_page(iri),
            self._thing_quads(iri),
            self.index.kinds(iri),
            keeps_claims_apart=True,
        )

    def _graphs(self) -> Iterator[Document]:
        for graph in self.publication.named_graphs():
            path = path_of(self.base, graph)
            # A graph that is named after a thing leaves the address to the thing.
            if path is not None and not path.startswith("/doc/"):
                quads = self._graph_quads(graph) if self._is_document(graph) else None
                yield Document(graph, path, path, self._graph_page(graph), quads)

    def _fixed(self) -> Iterator[Document]:
        base = self.base
        yield Document(f"{base}dataset", "/", "/dataset", self._front_page, self._dataset_quads)
        yield Document(f"{base}dataset", "/dataset", "/dataset", self._dataset_page, self._dataset_quads)
        yield Document(
            f"{base}dataset", "/.well-known/void", "/dataset", self._dataset_page, self._dataset_quads
        )
        catalogue = catalogue_iri(base)
        yield Document(catalogue, "/catalog", "/catalog", self._dataset_page, self._catalogue_quads)
        graphs = graph_list_iri(base)
        yield Document(graphs, "/graphs", "/graphs", self._graphs_page, self._graphs_quads)
        default = self._default_quads if self._default_is_document() else None
        yield Document(f"{graphs}/default", "/graphs/default", "/graphs/default", self._default_page, default)
        yield Document(f"{base}ontology", "/ontology", "/ontology", self._ontology_page, self._ontology_quads)
        yield Document(f"{base}shapes", "/shapes", "/shapes", self._shapes_page, self._shapes_quads)
        yield from self._queries()
        for iri in term_pages.code_lists(self.index):
            path = path_of(base, iri)
            if path is not None and not iri.startswith(f"{base}id/"):
                yield Document(iri, path, path, self._list_page(iri), self._list_quads(iri))

    def _queries(self) -> Iterator[Document]:
        base, catalogue = self.base, self.publication.catalogue
        whole = queries_iri(base)
        yield Document(
            whole,
            "/queries",
            "/queries",
            lambda desk: list_pages.queries_page(
                desk, catalogue, data_links(desk, self.by_path["/queries"].variants())
            ),
            self._described(whole),
        )
        for saved in catalogue.values():
            iri = query_iri(base, saved.name)
            path = path_of(base, iri) or ""
            yield Document(iri, path, path, self._query_page(saved), self._described(iri))

    def _described(self, iri: str) -> Callable[[], Sequence[ox.Quad]]:
        """What is said of a saved query and of its parameters; of the whole: everything about all of them."""
        parts = (f"{iri}#", f"{iri}/") if iri == queries_iri(self.base) else (f"{iri}#",)
        return lambda: [
            quad
            for quad in self.publication.queries.quads
            if quad.subject == ox.NamedNode(iri) or node_key(quad.subject).startswith(parts)
        ]

    def _query_page(self, saved: SavedQuery) -> Callable[[Desk], bytes]:
        return lambda desk: self.query_page(desk, Filled(saved, {}, {}, saved.text))

    def query_page(self, desk: Desk, filled: Filled, answer: Mapping[str, Any] | None = None) -> bytes:
        """The page of a saved query, with an answer if there is one."""
        return page(desk, filled, self.choices(filled.saved), answer)

    def choices(self, saved: SavedQuery) -> Mapping[str, Sequence[Choice]]:
        """The values that each limited parameter of a saved query may have."""
        if saved.name not in self._choices:
            found = ((each.name, choices(self.index, each)) for each in saved.parameters)
            self._choices[saved.name] = {name: allowed for name, allowed in found if allowed is not None}
        return self._choices[saved.name]

    def limits(self, saved: SavedQuery) -> Mapping[str, Mapping[str, str]]:
        """The same as terms, each with the way to write it."""
        if saved.name not in self._limits:
            self._limits[saved.name] = limits(self.index, saved)
        return self._limits[saved.name]

    @cached_property
    def plain_pages(self) -> Mapping[str, Callable[[Desk], bytes]]:
        """The pages that have no data formats of their own."""
        pages: dict[str, Callable[[Desk], bytes]] = {
            "/browse": lambda desk: list_pages.browse_page(
                desk, self.publication.facets, has_counts=self.publication.counts is not None
            ),
            "/vocab": term_pages.lists_page,
        }
        pages |= term_pages.own_pages(self.index)
        for slug, kind in list_pages.browsable(self.index).items():
            pages[f"/browse/{slug}"] = self._class_page(kind)
        return pages

    def _class_page(self, kind: str) -> Callable[[Desk], bytes]:
        asked = Narrowing(kind, self.publication.facets.get(kind, ()))
        return lambda desk: self.class_page(desk, asked)

    def class_page(self, desk: Desk, asked: Narrowing) -> bytes:
        """The page of a list, with links to it as a file."""
        path = desk.local(f"/browse/{list_pages.slug_of(asked.kind)}")
        return list_pages.class_page(desk, asked, view_links(desk, asked, path))

    def _thing_page(self, iri: str) -> Callable[[Desk], bytes]:
        nav = "/browse" if iri.startswith(f"{self.base}id/") else "/ontology"

        def page(desk: Desk) -> bytes:
            description = describe(self.index, iri)
            parts = (fact for part in description.parts for fact in part.facts)
            own = (*description.facts, *parts)
            jsonld = embedded((quad for fact in own for quad in fact.quads()), self.context, first=iri)
            links = data_links(desk, self._document_of(iri).variants())
            return thing_page(
                desk, description, links, nav=nav, beside=self._beside(desk, iri), jsonld=jsonld
            )

        return page

    def _beside(self, desk: Desk, iri: str) -> Beside:
        """What the page about a thing has besides what is said of it."""
        path = path_of(self.base, iri) or ""
        report = self.publication.report_to.replace("{iri}", quote(iri, safe=""))
        return Beside(self._rulebook, self.cite_links(desk, iri), report, desk.local(f"{INCOMING}{path}/1"))

    @cached_property
    def _rulebook(self) -> Rulebook:
        return rulebook(self.index, self.publication.report)

    def cite_links(self, desk: Desk, iri: str) -> list[DataLink]:
        """Where a thing of ours can be had as a citation."""
        path = path_of(self.base, iri)
        if path is None or "#" in path:
            return []
        stem = f"{CITE}{path.removeprefix('/doc')}"
        return [
            DataLink(CITATION_NAMES[fmt], desk.file(f"{stem}.{fmt.extension}"), fmt.media_type)
            for fmt in CITATION_FORMATS
        ]

    def cites(self) -> Iterator[tuple[str, Format]]:
        """The paths of all citations."""
        for path in dict.fromkeys(doc.path for doc in self.by_path.values()):
            if (
                self.citation(f"{CITE}{path.removeprefix('/doc')}.{CITATION_FORMATS[0].extension}")
                is not None
            ):
                for fmt in CITATION_FORMATS:
                    yield f"{CITE}{path.removeprefix('/doc')}.{fmt.extension}", fmt

    def incoming_paths(self) -> Iterator[str]:
        """The paths of the pages that the pages of things lead to for what points at them."""
        for doc in self.by_path.values():
            if self.index.knows(doc.iri) and any(g.truncated for g in pointing(self.index, doc.iri, 1)):
                number = 1
                while self.incoming_page(f"{INCOMING}{doc.path}/{number}") is not None:
                    yield f"{INCOMING}{doc.path}/{number}"
                    number += 1

    def citation(self, path: str) -> tuple[Format, bytes] | None:
        """A citation by its path; None when there is nothing to cite."""
        stem, _, extension = path.removeprefix(CITE).rpartition(".")
        fmt = next((each for each in CITATION_FORMATS if each.extension == extension), None)
        doc = self.at(f"/doc{stem}") or self.at(stem)
        if fmt is None or doc is None or doc.path == "/":
            return None
        desk = self.desk(next(iter(WORDS)))
        is_dataset = doc.iri == f"{self.base}dataset"
        named = Shown(desk.title, desk.language) if is_dataset else desk.name(doc.iri)
        issued = self.of_dataset("dcterms:issued") or self.of_dataset("dcterms:modified")
        cited = Citation(
            iri=doc.iri,
            title=named.text,
            container="" if is_dataset else desk.title,
            publisher=self._publisher(desk),
            issued=issued,
            version=desk.version,
            language=named.language or desk.language,
        )
        return fmt, citation_bytes(cited, fmt)

    def _publisher(self, desk: Desk) -> str:
        """Who publishes the dataset, by name."""
        said = self.of_dataset("dcterms:publisher")
        return desk.name(said).text if said.startswith(("http://", "https://")) else said

    def incoming_page(self, path: str) -> Callable[[Desk], bytes] | None:
        """A page of what points at something, by its path; None when there is no such page."""
        stem, _, number = path.removeprefix(INCOMING).rpartition("/")
        doc = self.at(stem)
        if doc is None or not re.fullmatch(r"[1-9]\d{0,5}", number) or not self.index.knows(doc.iri):
            return None
        groups = pointing(self.index, doc.iri, int(number))
        if not groups:
            return None
        listed = max(len(each.things) + INCOMING_LIMIT * (int(number) - 1) for each in groups)
        most = max(each.total for each in groups)
        pages = -(-most // INCOMING_LIMIT) if most > listed else int(number)
        return lambda desk: incoming_page(desk, doc.iri, groups, int(number), pages, f"{INCOMING}{stem}")

    def _thing_quads(self, iri: str) -> Callable[[], Sequence[ox.Quad]]:
        return lambda: document(self.index, describe(self.index, iri), self._about(iri))

    def _document_of(self, iri: str) -> Document:
        found = self.at(path_of(self.base, iri) or "")
        if found is None:
            raise UnknownResourceError(iri)
        return found

    def _about(self, iri: str) -> Iterator[ox.Quad]:
        """What a document says of itself: its topic, its dataset, its licence."""
        page = ox.NamedNode(f"{self.base}{(path_of(self.base, iri) or '/')[1:]}")
        if page.value == iri:
            return
        said = {
            "rdf:type": expand("foaf:Document"),
            "foaf:primaryTopic": iri,
            "void:inDataset": dataset_iri(self.base),
            "dcterms:license": self.of_dataset("dcterms:license"),
        }
        for curie, target in said.items():
            if target:
                yield ox.Quad(page, ox.NamedNode(expand(curie)), ox.NamedNode(target))

    def _graph_quads(self, graph: str) -> Callable[[], Sequence[ox.Quad]]:
        if self._stored is not None:
            stored = self._stored
            return lambda: stored.quads_of(graph, GRAPH_LIMIT)
        if graph == self.publication.inferred_graph:
            return lambda: self.publication.inferred
        if graph in self.publication.queries.graphs():
            return lambda: self.publication.queries.quads
        name = ox.NamedNode(graph)
        return lambda: [quad for quad in self.publication.said.quads if quad.graph_name == name]

    def _graph_page(self, graph: str) -> Callable[[Desk], bytes]:
        quads = self._graph_quads(graph)
        inferred = graph == self.publication.inferred_graph

        def page(desk: Desk) -> bytes:
            # Of a graph that is too large for a document the page shows the first statements.
            total, stored = self.sizes.get(graph, 0), self._stored
            whole = stored is None or self._is_document(graph)
            shown = quads() if whole or stored is None else stored.quads_of(graph, GRAPH_SHOWN)
            links = data_links(desk, self._document_of(graph).variants())
            return list_pages.graph_page(desk, graph, shown, links, inferred=inferred, total=total)

        return page

    def _is_document(self, graph: str) -> bool:
        """Whether a graph is small enough to be had as a document."""
        return self._stored is None or 0 < self.sizes.get(graph, 0) <= GRAPH_LIMIT

    @cached_property
    def default_triples(self) -> int:
        """How many statements the default graph of queries holds."""
        if self._stored is not None:
            return self._stored.counted().default_triples
        return len(self._default_quads())

    def graph_quads(self, graph: str) -> Sequence[ox.Quad]:
        """The statements of a named graph, as they were written."""
        return self._graph_quads(graph)()

    def _default_quads(self) -> Sequence[ox.Quad]:
        if self._stored is not None:
            return self._stored.quads_of("", GRAPH_LIMIT)
        return default_graph_of(self.publication.quads(), frozenset(self.publication.default_graphs()))

    def _default_page(self, desk: Desk) -> bytes:
        links = data_links(desk, self.by_path["/graphs/default"].variants())
        iri = self.by_path["/graphs/default"].iri
        stored, whole = self._stored, self._default_is_document()
        quads = self._default_quads() if stored is None or whole else stored.quads_of("", GRAPH_SHOWN)
        total = max(len(quads), 0 if whole else self.default_triples)
        return list_pages.default_graph_page(desk, iri, quads, links, total=total)

    def _default_is_document(self) -> bool:
        """Whether the default graph is small enough to be had as a document."""
        return self._stored is None or self.default_triples <= GRAPH_LIMIT

    def _graphs_quads(self) -> Sequence[ox.Quad]:
        return describe_graphs(self.base, self.sizes, self.publication.default_graphs(), self.default_triples)

    def _graphs_page(self, desk: Desk) -> bytes:
        links = data_links(desk, self.by_path["/graphs"].variants())
        return list_pages.graphs_page(
            desk, self.by_path["/graphs"].iri, self.sizes, self.default_triples, links
        )

    def _front_page(self, desk: Desk) -> bytes:
        prose, counts = list_pages.about_dataset(desk, self._dataset), list_pages.class_counts(desk)
        links = data_links(desk, self.by_path["/"].variants())
        cites = self.cite_links(desk, dataset_iri(self.base))
        return front_page(desk, prose, counts, self._overview(), links, cites, self._embedded(desk))

    def _overview(self) -> Overview:
        """The answers on the front page, asked for once where the statements do not change."""
        if self._stored is not None and self._stored.changes:
            return self._asked_overview()
        if self._kept_overview is None:
            self._kept_overview = self._asked_overview()
        return self._kept_overview

    def _asked_overview(self) -> Overview:
        publication = self.publication
        if not publication.front:
            return Overview({})
        store = publication.own_store()
        try:
            return overview(publication.front, publication.catalogue, lambda text: store.query(text).rows())
        except EndpointError as error:
            # An endpoint that cannot answer these still answers others: the page goes without drawings.
            _LOG.warning("the front page is shown without drawings: %s", error)
            return Overview({})

    def _dataset_page(self, desk: Desk) -> bytes:
        links = data_links(desk, self.by_path["/dataset"].variants())
        catalogue = data_links(desk, self.by_path["/catalog"].variants())
        return list_pages.dataset_page(
            desk, self._dataset, self.sizes, links, catalogue, self.dumps, self._embedded(desk)
        )

    @property
    def dumps(self) -> tuple[Dump, ...]:
        """The whole dataset as files: made with the store, or now; none of a store that changes."""
        with self._dumping:
            if self._dumps is None:
                self._dumps = self._made_dumps()
            return self._dumps

    def _made_dumps(self) -> tuple[Dump, ...]:
        if self._stored is not None:
            return read_dumps(self._stored.dumps) if self._stored.dumps is not None else ()
        accepted = frozenset(self.publication.default_graphs())
        quads = self.publication.said.quads
        return temporary_dumps(self, quads, base=self.base, is_accepted=accepted.__contains__)

    def _catalogue_quads(self) -> Sequence[ox.Quad]:
        title, accepted = self.publication.title, self.index.accepted
        return describe_catalogue(
            Shelf(self.base, title, self._datasets, lambda iri: accepted.get(iri, ()), self.dumps)
        )

    def _embedded(self, desk: Desk) -> str:
        """The dataset for search engines, ready to stand in a page."""
        about = described_dataset(self.base, self._datasets)
        quads = self._catalogue_quads()
        return script_text(dataset_document(quads, about, base=self.base, language=desk.language))

    def _dataset_quads(self) -> Sequence[ox.Quad]:
        return self._counted if self._stored is None else self._counted_in(self._stored)

    @cached_property
    def _counted(self) -> Sequence[ox.Quad]:
        return describe_dataset(self.publication.said, dumps=self._dump_iris())

    def _dump_iris(self) -> list[str]:
        return [dump_iri(self.base, dump) for dump in self.dumps]

    def _counted_in(self, stored: Stored) -> Sequence[ox.Quad]:
        described = [quad for iri in self._datasets for quad in self.index.accepted.get(iri, ())]
        census = stored.counted().census
        if census is None:
            return described
        return describe_census(self.base, census, described, dumps=self._dump_iris())

    @property
    def sizes(self) -> Mapping[str, int]:
        """How many statements each graph holds."""
        return self._in_memory if self._stored is None else self._stored.graphs()

    @cached_property
    def _in_memory(self) -> Mapping[str, int]:
        return graph_sizes(self.publication.quads())

    def _ontology_page(self, desk: Desk) -> bytes:
        return term_pages.ontology_page(desk, data_links(desk, self.by_path["/ontology"].variants()))

    def _ontology_quads(self) -> Sequence[ox.Quad]:
        lists = f"{self.base}graph/ontology/vocab/"
        quads = self.publication.said.only("ontology").quads
        return [quad for quad in quads if not graph_name(quad).startswith(lists)]

    def _shapes_page(self, desk: Desk) -> bytes:
        return term_pages.shapes_page(desk, data_links(desk, self.by_path["/shapes"].variants()))

    def _shapes_quads(self) -> Sequence[ox.Quad]:
        return self.publication.said.only("shapes").quads

    def _list_page(self, iri: str) -> Callable[[Desk], bytes]:
        return lambda desk: term_pages.list_page(
            desk, iri, data_links(desk, self._document_of(iri).variants())
        )

    def _list_quads(self, iri: str) -> Callable[[], Sequence[ox.Quad]]:
        wanted = (iri, *term_pages.concepts_of(self.index, iri))
        return lambda: [quad for key in wanted for quad in self.index.accepted.get(key, ())]

    @cached_property
    def _dataset(self) -> str | None:
        return next(iter(self._datasets), None)

    @cached_property
    def _datasets(self) -> tuple[str, ...]:
        return published_datasets(self.publication.said)

    def of_dataset(self, curie: str) -> str:
        """What the data says of the dataset as a whole under a property; empty if it says nothing."""
        if curie not in self._of_dataset:
            values = self.index.values(self._dataset, expand(curie)) if self._dataset else ()
            found = (v.value for v in values if isinstance(v, ox.NamedNode | ox.Literal))
            self._of_dataset[curie] = next(found, "")
        return self._of_dataset[curie]

    def authors(self, iri: str) -> tuple[str, ...]:
        """Who made something, where the data names them by an IRI; of the dataset where it says nothing."""
        curies = ("dcterms:creator", "schema:author", "schema:creator")
        for key in (iri, self._dataset or ""):
            for curie in curies:
                named = [
                    v.value for v in self.index.values(key, expand(curie)) if isinstance(v, ox.NamedNode)
                ]
                if named:
                    return tuple(named)
        return ()

    def files_of_dataset(self) -> tuple[tuple[str, str], ...]:
        """The files the dataset can be had as, by address, each with its media type."""
        return tuple(
            (dump_iri(self.base, dump), "application/gzip" if dump.is_packed else dump.fmt.media_type)
            for dump in self.dumps
        )
