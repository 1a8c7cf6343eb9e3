"""Every address we answer: from path and Accept to status, headers and bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from cnrs_graph import counts_page, list_api, list_pages, query_api, replies, search_api
from cnrs_graph.addresses import data_path, folded, in_language, path_of
from cnrs_graph.completion import completions, default_query
from cnrs_graph.descriptions import near
from cnrs_graph.documents import CITE, INCOMING, Document, Documents
from cnrs_graph.dumps import SUMS
from cnrs_graph.editor import bundle
from cnrs_graph.errors import (
    CnrsGraphError,
    EndpointError,
    NotAcceptableError,
    RequestError,
    UnknownQueryError,
    UnknownResourceError,
    WithdrawnError,
)
from cnrs_graph.formats import GRAPH_FORMATS, JSON, JSONLD, PAGE, PROBLEM, TEXT, Format, negotiate
from cnrs_graph.inventory import describe_service
from cnrs_graph.pages import UNCHOSEN, Desk, Tongue, icon, stylesheet, stylesheet_path, tongue_of
from cnrs_graph.publication import Publication
from cnrs_graph.replies import PAGE_POLICY, Reply, link
from cnrs_graph.representations import graph_bytes
from cnrs_graph.result_page import answer, asking, page_policy, results
from cnrs_graph.signposting import (
    LINKSET,
    LINKSET_JSON,
    Signposts,
    header_of,
    linkset_json,
    linkset_text,
)
from cnrs_graph.sitemap import XML, Sitemaps, robots, site_root
from cnrs_graph.terms import expand
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

_BY_EXTENSION = {fmt.extension: fmt for fmt in GRAPH_FORMATS}
_DATASET = expand("schema:Dataset")
#: The page of counts, answered by the saved query that the publication names for it.
COUNTS = "/counts"
_YEAR_SECONDS = 31_536_000
#: What is the same for readers of every language.
_WITHOUT_LANGUAGE = ("/data/", "/cite/", "/dump/", "/sitemap", "/static/", "/robots.txt", "/sparql/")


@dataclass(frozen=True)
class Asked:
    """What a request says, beside its path."""

    accept: str | None = None
    language: str = UNCHOSEN.language
    if_none_match: str | None = None
    query: str = ""
    #: Whether the address names the language, and its path without that.
    addressed: bool = False
    path: str = ""

    @property
    def vary(self) -> str:
        """What a page depends on besides its address."""
        return "Accept" if self.addressed or len(WORDS) == 1 else "Accept, Accept-Language"


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
        if asked.addressed and path.startswith(_WITHOUT_LANGUAGE):
            return replies.redirect(308, self._located(path, asked.query))
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
        gone = self._gone(path, asked)
        if gone is not None:
            return gone
        elsewhere = self._other_spelling(path)
        if elsewhere is not None:
            return replies.redirect(308, self._located(elsewhere, asked.query, asked))
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
        body = make(self._desk(asked))
        return replies.success(
            body, PAGE, if_none_match=asked.if_none_match, vary=asked.vary if vary else None, policy=policy
        )

    def _special(self, path: str, asked: Asked) -> Reply | None:
        """Files and plain pages."""
        files = static_files()
        if path in files:
            fmt, body = files[path]
            return replies.success(
                body, fmt, if_none_match=asked.if_none_match, vary=None, max_age_seconds=_YEAR_SECONDS
            )
        found = self._file_for_programs(path, asked)
        if found is not None:
            return found
        is_list = path.startswith(f"{INCOMING}/")
        page = self.documents.incoming_page(path) if is_list else self.documents.plain_pages.get(path)
        if page is not None:
            return self.page(asked, page)
        return self._query_text(path, asked) if path.endswith(".rq") else None

    def _file_for_programs(self, path: str, asked: Asked) -> Reply | None:
        """What crawlers, editors and other programs fetch; lists and what is searched, as data."""
        if path == "/robots.txt":
            body = robots(site_root(self.base, self.publication.public_url), self.prefix)
            return replies.success(body, TEXT, if_none_match=asked.if_none_match, vary=None)
        if path.startswith("/sitemap"):
            sitemap = self.sitemaps.at(path)
            if sitemap is not None:
                return replies.success(sitemap, XML, if_none_match=asked.if_none_match, vary=None)
        if path.startswith("/dump/"):
            answer, file = self.download(path, asked.if_none_match)
            return replace(answer, body=file.read_bytes()) if answer is not None and file else answer
        if path == "/sparql/completions.json":
            return replies.success(self.completions, JSON, if_none_match=asked.if_none_match, vary=None)
        if path.startswith(f"{CITE}/"):
            return self._citation(path, asked)
        context = self.documents.contexts.get(path)
        if context is not None:
            return replies.success(context, JSONLD, if_none_match=asked.if_none_match, vary=None)
        for answered in (search_api.answer, list_api.answer):
            found = answered(self.documents, path, asked.query, asked.accept, self._desk(asked))
            if found is not None:
                fmt, body = found
                return replies.success(body, fmt, if_none_match=asked.if_none_match, vary=asked.vary)
        return None

    def _desk(self, asked: Asked) -> Desk:
        """What a page is made with that answers a request."""
        at = asked.path + (f"?{asked.query}" if asked.path and asked.query else "")
        return self.documents.desk(asked.language, addressed=asked.addressed, path=at)

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

    def _citation(self, path: str, asked: Asked) -> Reply | None:
        found = self.documents.citation(path)
        if found is None:
            return None
        return replies.success(found[1], found[0], if_none_match=asked.if_none_match, vary=None)

    def _query_text(self, path: str, asked: Asked) -> Reply | None:
        saved = self.publication.catalogue.get(unquote(path.removeprefix("/queries/").removesuffix(".rq")))
        if saved is None or not path.startswith("/queries/"):
            return None
        return replies.success(saved.text.encode(), QUERY, if_none_match=asked.if_none_match, vary=None)

    def _reply_thing(self, path: str, asked: Asked) -> Reply | None:
        """Send a client from a thing to the document that fits."""
        doc = self.documents.at(f"/doc/{path[4:]}")
        return None if doc is None else self._see_other(doc, negotiate(asked.accept, doc.offered), asked)

    def _see_other(self, doc: Document, fmt: Format, asked: Asked) -> Reply:
        data = self._located(f"{doc.stem}.{fmt.extension}")
        target = self._located(doc.path, asked=asked) if fmt is PAGE else data
        return replies.redirect(303, target, vary="Accept", links=self._links(doc))

    def _reply_data(self, path: str, asked: Asked) -> Reply | None:
        """One representation of a thing, by its own address, or all links about it."""
        stem, _, extension = path.rpartition(".")
        fmt, doc = _BY_EXTENSION.get(extension), self.documents.at(f"/doc/{stem[6:]}")
        if fmt is None or doc is None:
            return self._linkset(path, asked)
        return self._represented(doc, fmt, asked, vary=None)

    def _reply_document(self, path: str, asked: Asked) -> Reply | None:
        doc = self.documents.at(path)
        if doc is None:
            stem, _, extension = path.rpartition(".")
            fmt, doc = _BY_EXTENSION.get(extension), self.documents.at(stem)
            if fmt is None or doc is None or doc.stem != stem or doc.quads is None:
                return self._linkset(path, asked)
            return self._represented(doc, fmt, asked, vary=None)
        fmt = negotiate(asked.accept, doc.offered)
        if path.startswith("/doc/") and fmt is not PAGE:
            return self._see_other(doc, fmt, asked)
        return self._represented(doc, fmt, asked, vary=asked.vary if fmt is PAGE else "Accept")

    def _gone(self, path: str, asked: Asked) -> Reply | None:
        """Send on from what was merged; say in data what was withdrawn.

        Raises: WithdrawnError for who reads no data.
        """
        _, folder, tail = (*path.split("/", 2), "", "")[:3]
        stem, _, extension = tail.rpartition(".") if folder == "data" else (tail, "", "")
        found = self.documents.retired.get(f"/doc/{stem}") if folder in ("id", "doc", "data") else None
        if found is None or (folder == "data" and extension not in _BY_EXTENSION):
            return None
        if found.replaced_by is not None:
            page = path_of(self.base, found.replaced_by) or ""
            target = data_path(self.base, found.replaced_by, extension) if folder == "data" else None
            return replies.redirect(
                301, self._located(target or f"/{folder}{page.removeprefix('/doc')}", asked.query)
            )
        fmt = _BY_EXTENSION.get(extension) or _said_in(asked.accept)
        if fmt not in GRAPH_FORMATS:
            raise WithdrawnError(found.iri, found.reason)
        body = graph_bytes(found.tombstone(), fmt, base=self.base, first=found.iri)
        links = [link(found.iri, "cite-as")]
        return replies.gone(body, fmt, vary=None if folder == "data" else "Accept", links=links)

    def _linkset(self, path: str, asked: Asked) -> Reply | None:
        """Every link about a thing or a document, in one document."""
        for fmt, write in ((LINKSET_JSON, linkset_json), (LINKSET, linkset_text)):
            stem = path.removesuffix(f".{fmt.extension}")
            doc = self.documents.at(f"/doc/{stem[6:]}" if stem.startswith("/data/") else stem)
            if stem != path and doc is not None and doc.stem == stem and doc.quads is not None:
                body = write(self._signposts(doc), self.base)
                return replies.success(
                    body, fmt, if_none_match=asked.if_none_match, vary=None, modified=self._modified
                )
        return None

    def _represented(self, doc: Document, fmt: Format, asked: Asked, *, vary: str | None) -> Reply:
        """A document in one format."""
        at = doc.path if fmt is PAGE else f"{doc.stem}.{fmt.extension}"
        return replies.success(
            self.documents.body(doc, fmt, asked.language, addressed=asked.addressed),
            fmt,
            if_none_match=asked.if_none_match,
            vary=vary,
            location=self._located(at) if vary and fmt is not PAGE else None,
            links=self._links(doc, fmt),
            modified=self._modified,
        )

    def _links(self, doc: Document, fmt: Format = PAGE) -> list[str]:
        """The Link header of a document in a format; of a thing too, which has that of its page."""
        return header_of(self._signposts(doc), self.base, fmt, self._located)

    def _signposts(self, doc: Document) -> Signposts:
        """What there is to link about a document."""
        return Signposts(
            thing=doc.iri,
            page=doc.path if doc.page is not None else None,
            stem=doc.stem,
            data=tuple(doc.variants()),
            kinds=doc.kinds or ((_DATASET,) if doc.stem == "/dataset" else ()),
            licence=self.documents.of_dataset("dcterms:license"),
            authors=self.documents.authors(doc.iri),
            items=self._items if doc.stem == "/dataset" else (),
        )

    @cached_property
    def _items(self) -> tuple[tuple[str, str], ...]:
        """The files that hold the dataset."""
        return self.documents.files_of_dataset()

    @cached_property
    def _modified(self) -> str | None:
        """The day of the release."""
        return replies.http_date(self.documents.of_dataset("dcterms:modified"))

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

    def _located(self, path: str, query: str = "", asked: Asked | None = None) -> str:
        """Where a path stands on the site; in the language of the request's address, if that names one."""
        spoken = f"/{asked.language}" if asked is not None and asked.addressed else ""
        return f"{self.prefix}{spoken}{path}" + (f"?{query}" if query else "")


def _said_in(accept: str | None) -> Format:
    """The format to say in that something is gone: data for who asks for data."""
    try:
        return negotiate(accept, (PAGE, *GRAPH_FORMATS, PROBLEM, TEXT))
    except NotAcceptableError:
        return PROBLEM


def _attached(file: Path, digest: str, fmt: Format, if_none_match: str | None) -> tuple[Reply, Path | None]:
    answer = replies.success(b"", fmt, digest=digest, if_none_match=if_none_match, vary=None)
    if answer.status != 200:
        return answer, None
    named = ("Content-Disposition", f'attachment; filename="{file.name}"')
    return replace(answer, headers=(*answer.headers, named)), file


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
    tongue = tongue_of(accept_language, path)
    behind = in_language(_as_sent(path), WORDS)[1]
    if path[1:] in WORDS:
        return replies.redirect(308, f"{site_of(publication).prefix}{path}/" + (f"?{query}" if query else ""))
    asked = Asked(accept, tongue.language, if_none_match, query, tongue.addressed, behind)
    try:
        return site_of(publication).reply(behind, asked)
    except (
        UnknownResourceError,
        UnknownQueryError,
        NotAcceptableError,
        EndpointError,
        RequestError,
    ) as error:
        return failure(publication, error, accept=accept, tongue=tongue)


def failure(
    publication: Publication,
    error: Exception,
    *,
    accept: str | None = None,
    tongue: Tongue = UNCHOSEN,
) -> Reply:
    """Answer with an error, in a format that the client accepts."""
    fmt, vary = replies.error_format(accept), Asked(addressed=tongue.addressed).vary
    if fmt is not PAGE:
        return replies.error_reply(error, fmt, b"")
    near_things = error.near if isinstance(error, UnknownResourceError) else ()
    offered = error.offered if isinstance(error, NotAcceptableError) else ()
    status, sentence = replies.status_of(error), replies.sentence_of(error)
    try:
        desk = site_of(publication).documents.desk(tongue.language, addressed=tongue.addressed)
        page = list_pages.error_page(desk, status, sentence, near_things, offered)
    except EndpointError:
        # The endpoint that failed is also where names come from.
        return replies.error_reply(error, TEXT, b"", vary=vary)
    return replies.error_reply(error, fmt, page, vary=vary)


def query_form(publication: Publication, query: str | None = None, *, tongue: Tongue = UNCHOSEN) -> Reply:
    """The page on which a query is asked."""
    site = site_of(publication)
    text = query if query is not None else default_query(site.base)
    return site.page(_asking(tongue), lambda desk: asking(desk, text), policy=page_policy())


def query_results(
    publication: Publication, query: str, form: str, body: bytes | None, *, tongue: Tongue = UNCHOSEN
) -> Reply:
    """The page with the answer to a query; *body* is results JSON or N-Triples, None when it is too large."""
    site = site_of(publication)
    asked = _asking(tongue, f"?query={quote(query, safe='')}")
    return site.page(asked, lambda desk: results(desk, query, form, body), policy=page_policy())


def _asking(tongue: Tongue, query: str = "") -> Asked:
    return Asked(language=tongue.language, addressed=tongue.addressed, path=f"/sparql{query}")


def query_failure(
    publication: Publication,
    query: str,
    error: CnrsGraphError,
    *,
    accept: str | None,
    tongue: Tongue = UNCHOSEN,
) -> Reply:
    """Answer a query with an error: to people with their query in the form, so that they can mend it."""
    if replies.error_format(accept) is not PAGE:
        return failure(publication, error, accept=accept, tongue=tongue)
    desk = site_of(publication).documents.desk(tongue.language, addressed=tongue.addressed)
    page, vary = asking(desk, query, error), Asked(addressed=tongue.addressed).vary
    return replies.error_reply(error, PAGE, page, policy=page_policy(), vary=vary)


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
    """What a request to a saved query, or to the counts, asks to be answered; None where `reply` knows.

    Raises: ParameterError, RequestError, NotAcceptableError.
    """
    site, counting = site_of(publication), publication.counts
    tongue, behind = tongue_of(accept_language, path), in_language(_as_sent(path), WORDS)[1]
    if behind == COUNTS and counting is not None:
        behind = f"/queries/{quote(counting.name, safe='')}"
    else:
        counting = None
    shown_at = COUNTS if counting is not None else behind
    asked = query_api.read_request(site.documents, behind, query, accept)
    if asked is None:
        return None

    def page(_: Publication, __: str, form: str, body: bytes | None) -> Reply:
        return site.page(
            Asked(None, tongue.language, if_none_match, query, tongue.addressed, shown_at),
            lambda desk: (
                site.documents.query_page(desk, asked.filled, answer(desk, form, body))
                if counting is None
                else counts_page.page(desk, asked.filled, site.documents.choices(counting), body, COUNTS)
            ),
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
    pages = (*site.documents.plain_pages, *site.documents.by_path)
    yield from ((path, PAGE) for path in pages)
    yield from ((f"/{language}{path}", PAGE) for language in WORDS for path in pages)
    yield from ((f"/queries/{name}.rq", QUERY) for name in publication.catalogue)
    yield from ((path, fmt) for path, (fmt, _) in static_files().items())
    yield "/robots.txt", TEXT
    yield from ((path, JSONLD) for path in site.documents.contexts)
    yield from ((path, XML) for path in site.sitemaps.paths())
    for dump in site.documents.dumps:
        yield f"/dump/{dump.name}", GZIP if dump.is_packed else dump.fmt
    if site.documents.dumps:
        yield f"/dump/{SUMS}", TEXT
    yield from site.documents.cites()
    yield from ((path, PAGE) for path in site.documents.incoming_paths())
    stems = set()
    for doc in site.documents.by_path.values():
        if doc.stem not in stems:
            stems.add(doc.stem)
            yield from ((at, fmt) for fmt, at in doc.variants())
            if doc.quads is not None:
                yield from ((f"{doc.stem}.{fmt.extension}", fmt) for fmt in (LINKSET_JSON, LINKSET))


def _as_sent(path: str) -> str:
    """A path in which bytes of UTF-8 that came one by one are put together."""
    if path.isascii():
        return path
    try:
        return path.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return path.encode("utf-8", "replace").decode("utf-8")
