"""Every address we answer: from path and Accept to status, headers and bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

import pyoxigraph as ox

from cnrs_graph import list_pages, replies, term_pages
from cnrs_graph.addresses import data_path, folded, path_of, prefix_of
from cnrs_graph.dataset import graph_name
from cnrs_graph.descriptions import Index, build_index, describe, document, near, node_key
from cnrs_graph.errors import NotAcceptableError, UnknownQueryError, UnknownResourceError
from cnrs_graph.formats import GRAPH_FORMATS, PAGE, TEXT, TURTLE, Format, negotiate
from cnrs_graph.inventory import (
    dataset_iri,
    describe_dataset,
    describe_service,
    graph_sizes,
    published_datasets,
)
from cnrs_graph.pages import Desk, data_links, icon, page_language, render, stylesheet, stylesheet_path
from cnrs_graph.publication import Publication
from cnrs_graph.replies import Reply, link
from cnrs_graph.representations import graph_bytes
from cnrs_graph.result_page import results
from cnrs_graph.terms import expand
from cnrs_graph.thing_page import thing_page
from cnrs_graph.words import WORDS

__all__ = [
    "Reply",
    "addresses",
    "failure",
    "query_form",
    "query_results",
    "reply",
    "service_description",
    "site_of",
]

STYLESHEET = Format("stylesheet", "text/css", "css")
ICON = Format("icon", "image/svg+xml", "svg")
QUERY = Format("query", "application/sparql-query", "rq")

_BY_EXTENSION = {fmt.extension: fmt for fmt in GRAPH_FORMATS}
#: So many finished bodies are kept; a publication does not change while it is served.
_KEPT_BODIES = 2000
_YEAR_SECONDS = 31_536_000


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


@dataclass(frozen=True)
class Asked:
    """What a request says, beside its path."""

    accept: str | None = None
    language: str = "en"
    if_none_match: str | None = None
    query: str = ""


class Site:
    """A publication as a set of addresses; built once, then only read."""

    def __init__(self, publication: Publication) -> None:
        self.publication = publication
        self.base = publication.base
        self.prefix = prefix_of(publication.public_url)
        self.index: Index = build_index(
            publication.said, publication.inferred, outside=publication.outside_default
        )
        self._bodies: dict[tuple[str, str, str], bytes] = {}

    def reply(self, path: str, asked: Asked) -> Reply:
        """Answer a path; errors are raised."""
        path = _as_sent(path)
        special = self._special(path, asked)
        if special is not None:
            return special
        if path.startswith("/id/"):
            found = self._reply_thing(path, asked)
        elif path.startswith("/data/"):
            found = self._reply_data(path, asked)
        else:
            found = self._reply_document(path, asked)
        if found is not None:
            return found
        elsewhere = self._other_spelling(path)
        if elsewhere is not None:
            return replies.redirect(308, self._located(elsewhere, asked.query))
        iri = f"{self.base}{path.lstrip('/')}"
        if path.startswith(("/doc/", "/data/")):
            iri = f"{self.base}id/{path.split('/', 2)[2]}"
        raise UnknownResourceError(iri, near(self.index, iri))

    def desk(self, language: str) -> Desk:
        """What pages in a language are made with."""
        publication = self.publication
        title = publication.title.get(language) or next(iter(publication.title.values()), self.base)
        return Desk(
            index=self.index,
            language=language,
            prefix=self.prefix,
            title=title,
            notice=publication.notice.get(language, ""),
            licence=self._of_dataset("dcterms:license"),
            version=self._of_dataset("dcat:version") or self._of_dataset("owl:versionInfo"),
        )

    def page(self, asked: Asked, make: Callable[[Desk], bytes], *, vary: bool = True) -> Reply:
        """A page that has no other format.

        Raises: NotAcceptableError.
        """
        negotiate(asked.accept, (PAGE,))
        body = make(self.desk(asked.language))
        return replies.success(body, PAGE, if_none_match=asked.if_none_match, vary=_VARY if vary else None)

    # ------------------------------------------------------------------------------------------ addresses

    @cached_property
    def documents(self) -> Mapping[str, Document]:
        """What stands at each path that has a page, things at the path of their page."""
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

    @cached_property
    def _spellings(self) -> Mapping[str, str]:
        """The path that each other spelling of it means, where that is certain."""
        table: dict[str, str] = {}
        for path in (*self.documents, *self._plain_pages()):
            key = folded(path)
            table[key] = "" if key in table and table[key] != path else path
        return table

    def _things(self) -> Iterator[Document]:
        for iri in {*self.index.accepted, *self.index.claimed}:
            path = path_of(self.base, iri)
            if path is None or "#" in path or path == "/":
                continue
            first = data_path(self.base, iri, "")
            stem = first.rstrip(".") if first is not None else path
            yield Document(
                iri, path, stem, self._thing_page(iri), self._thing_quads(iri), self.index.kinds(iri)
            )

    def _graphs(self) -> Iterator[Document]:
        for graph in self.publication.named_graphs():
            path = path_of(self.base, graph)
            if path is not None:
                yield Document(graph, path, path, self._graph_page(graph), self._graph_quads(graph))

    def _fixed(self) -> Iterator[Document]:
        base = self.base
        yield Document(f"{base}dataset", "/", "/dataset", self._front_page, self._dataset_quads)
        yield Document(f"{base}dataset", "/dataset", "/dataset", self._dataset_page, self._dataset_quads)
        yield Document(
            f"{base}dataset", "/.well-known/void", "/dataset", self._dataset_page, self._dataset_quads
        )
        yield Document(f"{base}ontology", "/ontology", "/ontology", self._ontology_page, self._ontology_quads)
        yield Document(f"{base}shapes", "/shapes", "/shapes", self._shapes_page, self._shapes_quads)
        for iri in term_pages.code_lists(self.index):
            path = path_of(base, iri)
            if path is not None and not iri.startswith(f"{base}id/"):
                yield Document(iri, path, path, self._list_page(iri), self._list_quads(iri))

    def _plain_pages(self) -> Mapping[str, Callable[[Desk], bytes]]:
        """The pages that have no data formats of their own."""
        catalogue = self.publication.catalogue
        pages: dict[str, Callable[[Desk], bytes]] = {
            "/browse": list_pages.browse_page,
            "/queries": lambda desk: list_pages.queries_page(desk, catalogue),
            "/vocab": term_pages.lists_page,
        }
        for slug, kind in list_pages.browsable(self.index).items():
            pages[f"/browse/{slug}"] = lambda desk, kind=kind: list_pages.class_page(desk, kind)  # type: ignore[misc]
        for name, saved in catalogue.items():
            pages[f"/queries/{name}"] = lambda desk, saved=saved: list_pages.query_page(desk, saved)  # type: ignore[misc]
        return pages

    # -------------------------------------------------------------------------------------------- answers

    def _special(self, path: str, asked: Asked) -> Reply | None:
        """Files and plain pages."""
        files = {stylesheet_path(): (STYLESHEET, stylesheet), "/static/icon.svg": (ICON, icon)}
        if path in files:
            fmt, read = files[path]
            return replies.success(
                read(), fmt, if_none_match=asked.if_none_match, vary=None, max_age_seconds=_YEAR_SECONDS
            )
        if path == "/robots.txt":
            body = b"User-agent: *\nDisallow: /sparql\n"
            return replies.success(body, TEXT, if_none_match=asked.if_none_match, vary=None)
        page = self._pages.get(path)
        if page is not None:
            return self.page(asked, page)
        if path.startswith("/queries/"):
            return self._query_text(path.removeprefix("/queries/"), asked)
        return None

    @cached_property
    def _pages(self) -> Mapping[str, Callable[[Desk], bytes]]:
        return self._plain_pages()

    def _query_text(self, name: str, asked: Asked) -> Reply:
        saved = self.publication.catalogue.get(name.removesuffix(".rq"))
        if saved is None or not name.endswith(".rq"):
            other = self._other_spelling(f"/queries/{name}")
            if other is not None:
                return replies.redirect(308, self._located(other, asked.query))
            raise UnknownQueryError(name, self.publication.catalogue)
        return replies.success(saved.text.encode(), QUERY, if_none_match=asked.if_none_match, vary=None)

    def _reply_thing(self, path: str, asked: Asked) -> Reply | None:
        """Send a client from a thing to the document that fits."""
        doc = self.documents.get(f"/doc/{path[4:]}")
        return None if doc is None else self._see_other(doc, negotiate(asked.accept, doc.offered))

    def _see_other(self, doc: Document, fmt: Format) -> Reply:
        target = doc.path if fmt is PAGE else f"{doc.stem}.{fmt.extension}"
        return replies.redirect(303, self._located(target), vary=_VARY, links=self._links(doc))

    def _reply_data(self, path: str, asked: Asked) -> Reply | None:
        """One representation of a thing, by its own address."""
        stem, _, extension = path.rpartition(".")
        fmt, doc = _BY_EXTENSION.get(extension), self.documents.get(f"/doc/{stem[6:]}")
        if fmt is None or doc is None:
            return None
        return self._represented(doc, fmt, asked, vary=None)

    def _reply_document(self, path: str, asked: Asked) -> Reply | None:
        doc = self.documents.get(path)
        if doc is None:
            stem, _, extension = path.rpartition(".")
            fmt, doc = _BY_EXTENSION.get(extension), self.documents.get(stem)
            if fmt is None or doc is None or doc.stem != stem or doc.quads is None:
                return None
            return self._represented(doc, fmt, asked, vary=None)
        fmt = negotiate(asked.accept, doc.offered)
        if path.startswith("/doc/") and fmt is not PAGE:
            return self._see_other(doc, fmt)
        return self._represented(doc, fmt, asked, vary=_VARY)

    def _represented(self, doc: Document, fmt: Format, asked: Asked, *, vary: str | None) -> Reply:
        """A document in one format."""
        at = doc.path if fmt is PAGE else f"{doc.stem}.{fmt.extension}"
        return replies.success(
            self._body(doc, fmt, asked.language),
            fmt,
            if_none_match=asked.if_none_match,
            vary=vary,
            location=self._located(at) if vary and fmt is not PAGE else None,
            links=self._links(doc),
        )

    def _body(self, doc: Document, fmt: Format, language: str) -> bytes:
        key = (doc.path if fmt is PAGE else doc.stem, fmt.name, language if fmt is PAGE else "")
        if key not in self._bodies:
            if fmt is PAGE and doc.page is not None:
                body = doc.page(self.desk(language))
            else:
                quads = doc.quads() if doc.quads is not None else ()
                body = graph_bytes(quads, fmt, base=self.base, first=doc.iri)
            if len(self._bodies) >= _KEPT_BODIES:
                self._bodies.pop(next(iter(self._bodies)), None)
            self._bodies[key] = body
        return self._bodies[key]

    def _links(self, doc: Document) -> list[str]:
        """The Link header of a document and of the thing it is about."""
        page = [link(self._located(doc.path), "alternate", media_type=PAGE.media_type)] if doc.page else []
        data = [link(self._located(at), "alternate", media_type=fmt.media_type) for fmt, at in doc.variants()]
        about = [link(doc.iri, "cite-as"), link(f"{self.base}{doc.path[1:]}", "canonical")]
        if doc.quads is not None:
            about.append(link(self._located(f"{doc.stem}.ttl"), "describedby", media_type=TURTLE.media_type))
        licence = self._of_dataset("dcterms:license")
        return [
            *page,
            *data,
            *about,
            *([link(licence, "license")] if licence else []),
            *(link(kind, "type") for kind in doc.kinds if not kind.startswith("_:")),
        ]

    def _other_spelling(self, path: str) -> str | None:
        """The path that another spelling means, if that exists."""
        key = folded(path)
        folder, _, rest = key.lstrip("/").partition("/")
        if folder not in ("id", "data"):
            stem, _, extension = key.rpartition(".")
            if self._spellings.get(key):
                return self._spellings[key] if self._spellings[key] != path else None
            known = self._spellings.get(stem, "") if extension in _BY_EXTENSION else ""
            return f"{known}.{extension}" if known and f"{known}.{extension}" != path else None
        rest, dot, extension = rest.rpartition(".") if folder == "data" else (rest, "", "")
        page = self._spellings.get(f"/doc/{rest}")
        if not page or (folder == "data" and extension not in _BY_EXTENSION):
            return None
        canonical = f"/{folder}/{page[5:]}{dot}{extension}"
        return canonical if canonical != path else None

    def _located(self, path: str, query: str = "") -> str:
        return f"{self.prefix}{path}" + (f"?{query}" if query else "")

    # ------------------------------------------------------------------------------------- pages and data

    def _thing_page(self, iri: str) -> Callable[[Desk], bytes]:
        nav = "/browse" if iri.startswith(f"{self.base}id/") else "/ontology"
        return lambda desk: thing_page(
            desk, describe(self.index, iri), data_links(desk, self._document_of(iri).variants()), nav=nav
        )

    def _thing_quads(self, iri: str) -> Callable[[], Sequence[ox.Quad]]:
        return lambda: document(self.index, describe(self.index, iri), self._about(iri))

    def _document_of(self, iri: str) -> Document:
        return self.documents[path_of(self.base, iri) or ""]

    def _about(self, iri: str) -> Iterator[ox.Quad]:
        """What a document says of itself: its topic, its dataset, its licence."""
        page = ox.NamedNode(f"{self.base}{(path_of(self.base, iri) or '/')[1:]}")
        if page.value == iri:
            return
        said = {
            "rdf:type": expand("foaf:Document"),
            "foaf:primaryTopic": iri,
            "void:inDataset": dataset_iri(self.base),
            "dcterms:license": self._of_dataset("dcterms:license"),
        }
        for curie, target in said.items():
            if target:
                yield ox.Quad(page, ox.NamedNode(expand(curie)), ox.NamedNode(target))

    def _graph_quads(self, graph: str) -> Callable[[], Sequence[ox.Quad]]:
        if graph == self.publication.inferred_graph:
            return lambda: self.publication.inferred
        name = ox.NamedNode(graph)
        return lambda: [quad for quad in self.publication.said.quads if quad.graph_name == name]

    def _graph_page(self, graph: str) -> Callable[[Desk], bytes]:
        quads = self._graph_quads(graph)
        inferred = graph == self.publication.inferred_graph
        return lambda desk: list_pages.graph_page(
            desk, graph, quads(), data_links(desk, self._document_of(graph).variants()), inferred=inferred
        )

    def _front_page(self, desk: Desk) -> bytes:
        return list_pages.front_page(desk, self._dataset, data_links(desk, self.documents["/"].variants()))

    def _dataset_page(self, desk: Desk) -> bytes:
        links = data_links(desk, self.documents["/dataset"].variants())
        return list_pages.dataset_page(desk, self._dataset, graph_sizes(self.publication.said.quads), links)

    def _dataset_quads(self) -> Sequence[ox.Quad]:
        return describe_dataset(self.publication.said)

    def _ontology_page(self, desk: Desk) -> bytes:
        return term_pages.ontology_page(desk, data_links(desk, self.documents["/ontology"].variants()))

    def _ontology_quads(self) -> Sequence[ox.Quad]:
        lists = f"{self.base}graph/ontology/vocab/"
        quads = self.publication.said.only("ontology").quads
        return [quad for quad in quads if not graph_name(quad).startswith(lists)]

    def _shapes_page(self, desk: Desk) -> bytes:
        return term_pages.shapes_page(desk, data_links(desk, self.documents["/shapes"].variants()))

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
        return next(iter(published_datasets(self.publication.said)), None)

    def _of_dataset(self, curie: str) -> str:
        values = self.index.values(self._dataset, expand(curie)) if self._dataset else ()
        return next((v.value for v in values if isinstance(v, ox.NamedNode | ox.Literal)), "")


_VARY = "Accept, Accept-Language" if len(WORDS) > 1 else "Accept"


@lru_cache(maxsize=4)
def site_of(publication: Publication) -> Site:
    """The site of a publication, put in order at its first request."""
    return Site(publication)


def reply(
    publication: Publication,
    path: str,
    *,
    accept: str | None = None,
    accept_language: str | None = None,
    if_none_match: str | None = None,
    query: str = "",
) -> Reply:
    """Answer a GET: *path* as it was sent, percent-encoded, without the prefix of the site and without query.

    Nothing is ever raised for what a client sent; what goes wrong is an answer too.
    """
    asked = Asked(accept, page_language(accept_language), if_none_match, query)
    try:
        return site_of(publication).reply(path, asked)
    except (UnknownResourceError, UnknownQueryError, NotAcceptableError) as error:
        return failure(publication, error, accept=accept, accept_language=accept_language)


def failure(
    publication: Publication,
    error: Exception,
    *,
    accept: str | None = None,
    accept_language: str | None = None,
) -> Reply:
    """Answer with an error, in a format that the client accepts."""
    fmt = replies.error_format(accept)
    if fmt is not PAGE:
        return replies.error_reply(error, fmt, b"")
    near_things = error.near if isinstance(error, UnknownResourceError) else ()
    offered = error.offered if isinstance(error, NotAcceptableError) else ()
    desk = site_of(publication).desk(page_language(accept_language))
    status, sentence = replies.status_of(error), replies.sentence_of(error)
    return replies.error_reply(
        error, fmt, list_pages.error_page(desk, status, sentence, near_things, offered)
    )


def query_form(publication: Publication, query: str = "SELECT * WHERE { ?s ?p ?o } LIMIT 10") -> Reply:
    """The page with a form for a query."""
    site = site_of(publication)
    return site.page(
        Asked(),
        lambda desk: render(
            desk, "sparql.html", title="SPARQL", here="/sparql", query=query, endpoint=f"{site.base}sparql"
        ),
    )


def query_results(publication: Publication, query: str, form: str, body: bytes | None) -> Reply:
    """The page with the answer to a query; *body* is results JSON or N-Triples, None when it is too large."""
    site = site_of(publication)
    return site.page(Asked(), lambda desk: results(desk, query, form, body))


def service_description(
    publication: Publication, fmt: Format, *, limits: Mapping[str, float], if_none_match: str | None = None
) -> Reply:
    """The description of the SPARQL endpoint in an RDF format."""
    sizes = graph_sizes((*publication.said.quads, *publication.inferred))
    quads = describe_service(
        publication.base,
        graphs=sizes,
        default_graphs=publication.default_graphs(),
        limits={name: f"{value:g}" for name, value in limits.items()},
    )
    body = graph_bytes(quads, fmt, base=publication.base, first=f"{publication.base}sparql#service")
    return replies.success(body, fmt, if_none_match=if_none_match)


def addresses(publication: Publication) -> Iterator[tuple[str, Format]]:
    """The paths that a static copy of the site consists of, with the format of what stands there."""
    site = site_of(publication)
    yield from ((path, PAGE) for path in site._pages)
    yield from ((f"/queries/{name}.rq", QUERY) for name in publication.catalogue)
    yield from ((stylesheet_path(), STYLESHEET), ("/static/icon.svg", ICON), ("/robots.txt", TEXT))
    stems = set()
    for path, doc in site.documents.items():
        yield path, PAGE
        if doc.stem not in stems:
            stems.add(doc.stem)
            yield from ((at, fmt) for fmt, at in doc.variants())


def _as_sent(path: str) -> str:
    """A path with everything but ASCII percent-encoded; bytes of UTF-8 that came one by one are put together."""
    if path.isascii():
        return path
    try:
        path = path.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return path.encode("utf-8", "replace").decode("utf-8")
    return path
