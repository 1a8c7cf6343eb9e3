"""Every address we answer: from path and Accept to status, headers and bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from cnrs_graph import list_pages, query_api, replies
from cnrs_graph.addresses import folded
from cnrs_graph.completion import completions, default_query
from cnrs_graph.descriptions import near
from cnrs_graph.documents import Document, Documents
from cnrs_graph.dumps import SUMS
from cnrs_graph.editor import bundle
from cnrs_graph.errors import (
    CnrsGraphError,
    EndpointError,
    NotAcceptableError,
    UnknownQueryError,
    UnknownResourceError,
)
from cnrs_graph.formats import GRAPH_FORMATS, PAGE, TEXT, TURTLE, Format, negotiate
from cnrs_graph.inventory import describe_service
from cnrs_graph.pages import Desk, icon, page_language, stylesheet, stylesheet_path
from cnrs_graph.publication import Publication
from cnrs_graph.replies import PAGE_POLICY, Reply, link
from cnrs_graph.representations import graph_bytes
from cnrs_graph.result_page import answer, asking, page_policy, results
from cnrs_graph.sitemap import XML, Sitemaps, robots, site_root
from cnrs_graph.words import WORDS

__all__ = [
    "Reply",
    "SavedAnswer",
    "addresses",
    "failure",
    "openapi_paths",
    "query_failure",
    "query_form",
    "query_results",
    "reply",
    "saved_answer",
    "service_description",
    "site_of",
]

STYLESHEET = Format("stylesheet", "text/css", "css")
ICON = Format("icon", "image/svg+xml", "svg")
QUERY = Format("query", "application/sparql-query", "rq")
GZIP = Format("gzip", "application/gzip", "gz")
JSON = Format("json", "application/json", "json")

_BY_EXTENSION = {fmt.extension: fmt for fmt in GRAPH_FORMATS}
_YEAR_SECONDS = 31_536_000


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
        self.documents = Documents(publication)
        self.base = publication.base
        self.prefix = self.documents.prefix
        self.sitemaps = Sitemaps(self.documents)

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
        if path.startswith("/queries/"):
            raise UnknownQueryError(unquote(path.removeprefix("/queries/")), self.publication.catalogue)
        iri = f"{self.base}{path.lstrip('/')}"
        if path.startswith(("/doc/", "/data/")):
            iri = f"{self.base}id/{path.split('/', 2)[2]}"
        raise UnknownResourceError(iri, near(self.documents.index, iri))

    def page(
        self, asked: Asked, make: Callable[[Desk], bytes], *, vary: bool = True, policy: str = PAGE_POLICY
    ) -> Reply:
        """A page that has no other format.

        Raises: NotAcceptableError.
        """
        negotiate(asked.accept, (PAGE,))
        body = make(self.documents.desk(asked.language))
        return replies.success(
            body, PAGE, if_none_match=asked.if_none_match, vary=_VARY if vary else None, policy=policy
        )

    def _special(self, path: str, asked: Asked) -> Reply | None:
        """Files and plain pages."""
        files = static_files()
        if path in files:
            fmt, body = files[path]
            return replies.success(
                body, fmt, if_none_match=asked.if_none_match, vary=None, max_age_seconds=_YEAR_SECONDS
            )
        if path == "/robots.txt":
            body = robots(site_root(self.base, self.publication.public_url), self.prefix)
            return replies.success(body, TEXT, if_none_match=asked.if_none_match, vary=None)
        if path.startswith("/sitemap"):
            found = self.sitemaps.at(path)
            if found is not None:
                return replies.success(found, XML, if_none_match=asked.if_none_match, vary=None)
        if path.startswith("/dump/"):
            answer, file = self.download(path, asked.if_none_match)
            return replace(answer, body=file.read_bytes()) if answer is not None and file else answer
        if path == "/sparql/completions.json":
            return replies.success(self.completions, JSON, if_none_match=asked.if_none_match, vary=None)
        page = self.documents.plain_pages.get(path)
        if page is not None:
            return self.page(asked, page)
        return self._query_text(path, asked) if path.endswith(".rq") else None

    def download(self, path: str, if_none_match: str | None) -> tuple[Reply | None, Path | None]:
        """The answer to the path of a file, and the file if it is to be its body."""
        for dump in self.documents.dumps:
            if path == f"/dump/{dump.name}":
                fmt = GZIP if dump.is_packed else dump.fmt
                return _attached(dump.path, dump.sha256, fmt, if_none_match)
            if path == f"/dump/{SUMS}":
                file = dump.path.with_name(SUMS)
                return _attached(file, sha256(file.read_bytes()).hexdigest(), TEXT, if_none_match)
        return None, None

    @cached_property
    def completions(self) -> bytes:
        """What the editor offers while one types, made once."""
        return completions(self.documents.desk(next(iter(WORDS))), self.publication.catalogue)

    def _query_text(self, path: str, asked: Asked) -> Reply | None:
        saved = self.publication.catalogue.get(unquote(path.removeprefix("/queries/").removesuffix(".rq")))
        if saved is None or not path.startswith("/queries/"):
            return None
        return replies.success(saved.text.encode(), QUERY, if_none_match=asked.if_none_match, vary=None)

    def _reply_thing(self, path: str, asked: Asked) -> Reply | None:
        """Send a client from a thing to the document that fits."""
        doc = self.documents.at(f"/doc/{path[4:]}")
        return None if doc is None else self._see_other(doc, negotiate(asked.accept, doc.offered))

    def _see_other(self, doc: Document, fmt: Format) -> Reply:
        target = doc.path if fmt is PAGE else f"{doc.stem}.{fmt.extension}"
        return replies.redirect(303, self._located(target), vary=_VARY, links=self._links(doc))

    def _reply_data(self, path: str, asked: Asked) -> Reply | None:
        """One representation of a thing, by its own address."""
        stem, _, extension = path.rpartition(".")
        fmt, doc = _BY_EXTENSION.get(extension), self.documents.at(f"/doc/{stem[6:]}")
        if fmt is None or doc is None:
            return None
        return self._represented(doc, fmt, asked, vary=None)

    def _reply_document(self, path: str, asked: Asked) -> Reply | None:
        doc = self.documents.at(path)
        if doc is None:
            stem, _, extension = path.rpartition(".")
            fmt, doc = _BY_EXTENSION.get(extension), self.documents.at(stem)
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
            self.documents.body(doc, fmt, asked.language),
            fmt,
            if_none_match=asked.if_none_match,
            vary=vary,
            location=self._located(at) if vary and fmt is not PAGE else None,
            links=self._links(doc),
        )

    def _links(self, doc: Document) -> list[str]:
        """The Link header of a document and of the thing it is about."""
        page = [link(self._located(doc.path), "alternate", media_type=PAGE.media_type)] if doc.page else []
        data = [link(self._located(at), "alternate", media_type=fmt.media_type) for fmt, at in doc.variants()]
        about = [link(doc.iri, "cite-as"), link(f"{self.base}{doc.path[1:]}", "canonical")]
        if doc.quads is not None:
            about.append(link(self._located(f"{doc.stem}.ttl"), "describedby", media_type=TURTLE.media_type))
        licence = self.documents.of_dataset("dcterms:license")
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
            meant = self.documents.spelling(key)
            if meant:
                return meant if meant != path else None
            known = self.documents.spelling(stem) if extension in _BY_EXTENSION else ""
            return f"{known}.{extension}" if known and f"{known}.{extension}" != path else None
        rest, dot, extension = rest.rpartition(".") if folder == "data" else (rest, "", "")
        page = self.documents.spelling(f"/doc/{rest}")
        if not page or (folder == "data" and extension not in _BY_EXTENSION):
            return None
        canonical = f"/{folder}/{page[5:]}{dot}{extension}"
        return canonical if canonical != path else None

    def _located(self, path: str, query: str = "") -> str:
        return f"{self.prefix}{path}" + (f"?{query}" if query else "")


def _attached(file: Path, digest: str, fmt: Format, if_none_match: str | None) -> tuple[Reply, Path | None]:
    answer = replies.success(b"", fmt, digest=digest, if_none_match=if_none_match, vary=None)
    if answer.status != 200:
        return answer, None
    named = ("Content-Disposition", f'attachment; filename="{file.name}"')
    return replace(answer, headers=(*answer.headers, named)), file


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
    except (UnknownResourceError, UnknownQueryError, NotAcceptableError, EndpointError) as error:
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
    status, sentence = replies.status_of(error), replies.sentence_of(error)
    try:
        desk = site_of(publication).documents.desk(page_language(accept_language))
        page = list_pages.error_page(desk, status, sentence, near_things, offered)
    except EndpointError:
        # The endpoint that failed is also where names come from.
        return replies.error_reply(error, TEXT, b"")
    return replies.error_reply(error, fmt, page)


def query_form(publication: Publication, query: str | None = None) -> Reply:
    """The page on which a query is asked."""
    site = site_of(publication)
    text = query if query is not None else default_query(site.base)
    return site.page(Asked(), lambda desk: asking(desk, text), policy=page_policy())


def query_results(publication: Publication, query: str, form: str, body: bytes | None) -> Reply:
    """The page with the answer to a query; *body* is results JSON or N-Triples, None when it is too large."""
    site = site_of(publication)
    return site.page(Asked(), lambda desk: results(desk, query, form, body), policy=page_policy())


def query_failure(
    publication: Publication, query: str, error: CnrsGraphError, *, accept: str | None
) -> Reply:
    """Answer a query with an error: to people with their query in the form, so that they can mend it."""
    if replies.error_format(accept) is not PAGE:
        return failure(publication, error, accept=accept)
    desk = site_of(publication).documents.desk(page_language(None))
    return replies.error_reply(error, PAGE, asking(desk, query, error), policy=page_policy())


@dataclass(frozen=True)
class SavedAnswer:
    """What to run for a request to a saved query, the format to answer in, and the page for the answer."""

    text: str
    fmt: Format
    page: Callable[[Publication, str, str, bytes | None], Reply]


def saved_answer(
    publication: Publication,
    path: str,
    query: str,
    *,
    accept: str | None = None,
    accept_language: str | None = None,
    if_none_match: str | None = None,
) -> SavedAnswer | None:
    """What a request to a path below /queries/ asks to be answered; None when `reply` knows what is there.

    Raises: ParameterError, RequestError, NotAcceptableError.
    """
    site = site_of(publication)
    asked = query_api.read_request(site.documents, _as_sent(path), query, accept)
    if asked is None:
        return None

    def page(_: Publication, __: str, form: str, body: bytes | None) -> Reply:
        return site.page(
            Asked(language=page_language(accept_language), if_none_match=if_none_match),
            lambda desk: site.documents.query_page(desk, asked.filled, answer(desk, form, body)),
        )

    return SavedAnswer(asked.filled.text, asked.fmt, page)


def openapi_paths(publication: Publication) -> dict[str, Any]:
    """Every saved query as a path of an OpenAPI document."""
    return query_api.openapi_paths(site_of(publication).documents)


def service_description(
    publication: Publication, fmt: Format, *, limits: Mapping[str, float], if_none_match: str | None = None
) -> Reply:
    """The description of the SPARQL endpoint in an RDF format."""
    documents = site_of(publication).documents
    quads = describe_service(
        publication.base,
        graphs=documents.sizes,
        default_graphs=publication.default_graphs(),
        default_triples=documents.default_triples,
        limits=limits,
    )
    body = graph_bytes(quads, fmt, base=publication.base, first=f"{publication.base}sparql#service")
    return replies.success(body, fmt, if_none_match=if_none_match)


def static_files() -> Mapping[str, tuple[Format, bytes]]:
    """The files that pages are made with, by path; those of the editor where it was bundled."""
    made = bundle()
    ours = {stylesheet_path(): (STYLESHEET, stylesheet()), "/static/icon.svg": (ICON, icon())}
    return {**ours, **(made.files if made is not None else {})}


def addresses(publication: Publication) -> Iterator[tuple[str, Format]]:
    """The paths that a static copy of the site consists of, with the format of what stands there."""
    site = site_of(publication)
    yield from ((path, PAGE) for path in site.documents.plain_pages)
    yield from ((f"/queries/{name}.rq", QUERY) for name in publication.catalogue)
    yield from ((path, fmt) for path, (fmt, _) in static_files().items())
    yield "/robots.txt", TEXT
    yield from ((path, XML) for path in site.sitemaps.paths())
    for dump in site.documents.dumps:
        yield f"/dump/{dump.name}", GZIP if dump.is_packed else dump.fmt
    if site.documents.dumps:
        yield f"/dump/{SUMS}", TEXT
    stems = set()
    for path, doc in site.documents.by_path.items():
        yield path, PAGE
        if doc.stem not in stems:
            stems.add(doc.stem)
            yield from ((at, fmt) for fmt, at in doc.variants())


def _as_sent(path: str) -> str:
    """A path in which bytes of UTF-8 that came one by one are put together."""
    if path.isascii():
        return path
    try:
        return path.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return path.encode("utf-8", "replace").decode("utf-8")
