"""The SPARQL 1.1 Graph Store HTTP Protocol, read side: from a request to the graph it names."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from cnrs_graph import replies
from cnrs_graph.addresses import path_of
from cnrs_graph.errors import CnrsGraphError, RequestError, UnknownResourceError
from cnrs_graph.formats import GRAPH_FORMATS, negotiate
from cnrs_graph.pages import page_language
from cnrs_graph.protocol import fields_of
from cnrs_graph.publication import Publication
from cnrs_graph.replies import Reply, link
from cnrs_graph.representations import graph_bytes
from cnrs_graph.site import Asked, Site, failure, site_of

#: What no IRI holds, as SPARQL 1.1 Query has it in IRIREF.
_NO_IRI = re.compile(r"[\x00-\x20<>\"{}|\\^`]")
_SHOWN = 80
#: What `identified` says of the default graph, which has no name.
DEFAULT = ""


def reply(
    publication: Publication,
    query: str,
    *,
    accept: str | None = None,
    accept_language: str | None = None,
    if_none_match: str | None = None,
) -> Reply:
    """Answer a GET of the graph store: one graph, or the list of graphs when none is asked for.

    A graph that has an address of its own is answered as that address answers, byte for byte.

    Source: SPARQL 1.1 Graph Store HTTP Protocol, sections 4 and 5.2.
    """
    try:
        name = identified(query)
        asked = Asked(accept, page_language(accept_language), if_none_match)
        site = site_of(publication)
        if name is None:
            return site.reply("/graphs", asked)
        if name == DEFAULT:
            return site.reply("/graphs/default", asked)
        if name not in publication.named_graphs():
            raise UnknownResourceError(name, near_graphs(publication, name))
        path = path_of(publication.base, name)
        if path is not None and path.startswith("/graph/") and site.documents.by_path[path].iri == name:
            return site.reply(path, asked)
        return _without_address(site, name, asked)
    except CnrsGraphError as error:
        return failure(publication, error, accept=accept, accept_language=accept_language)


def identified(query: str) -> str | None:
    """The name of the graph that a query string asks for; "" for the default graph, None for no graph.

    >>> identified("graph=https%3A%2F%2Fexample.org%2Fg%2Fgraph%2Fx")
    'https://example.org/g/graph/x'
    >>> identified("default")
    ''

    Raises: RequestError for both, for one twice, and for a name that is no absolute IRI.
    Source: SPARQL 1.1 Graph Store HTTP Protocol, section 4.2.
    """
    found = [(name, value) for name, value in fields_of(query) if name in ("graph", "default")]
    if not found:
        return None
    if len(found) > 1:
        raise RequestError("one graph at a time: send ?default, or ?graph= with one IRI")
    name, value = found[0]
    if name == "default":
        if value:
            raise RequestError("?default has no value; a named graph is asked for with ?graph= and its IRI")
        return DEFAULT
    if not _is_absolute(value):
        shown = value if len(value) <= _SHOWN else f"{value[:_SHOWN]}…"
        raise RequestError(f"?graph= takes an absolute IRI, and {shown or 'nothing'!r} is none")
    return value


def near_graphs(publication: Publication, name: str) -> tuple[str, ...]:
    """The graphs whose names look like this one, wherever the site is reached."""
    tail = urlsplit(name).path.rpartition("/")[2].casefold()
    return tuple(each for each in publication.named_graphs() if each.casefold().endswith(f"/{tail}"))[:3]


def _is_absolute(iri: str) -> bool:
    try:
        parts = urlsplit(iri)
    except ValueError:
        return False
    return bool(parts.scheme) and bool(parts.netloc or parts.path) and not _NO_IRI.search(iri)


def _without_address(site: Site, name: str, asked: Asked) -> Reply:
    """A graph whose name is not one of our addresses: as data, here and nowhere else."""
    fmt = negotiate(asked.accept, GRAPH_FORMATS)
    body = graph_bytes(site.documents.graph_quads(name), fmt, base=site.base, context=site.documents.context)
    links = [link(name, "cite-as")]
    return replies.success(body, fmt, if_none_match=asked.if_none_match, links=links)
