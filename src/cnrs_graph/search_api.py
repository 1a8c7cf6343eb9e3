"""What /search answers: a page, JSON, and suggestions for the search field of a browser."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from xml.sax.saxutils import escape

from cnrs_graph.descriptions import name_of
from cnrs_graph.documents import Documents
from cnrs_graph.errors import RequestError
from cnrs_graph.formats import JSON, OPENSEARCH, PAGE, SUGGESTIONS, Format, negotiate
from cnrs_graph.list_pages import slug_of
from cnrs_graph.narrowing import Choice, Paging, page_number, paging
from cnrs_graph.pages import Desk, Shown, render
from cnrs_graph.protocol import read_parameters
from cnrs_graph.search import CONSIDERED, Found, Hit, folded

#: Hits on one page, and suggestions.
PER_PAGE = 25
_SUGGESTED = 8
_KINDS_SHOWN = 4


@dataclass(frozen=True)
class Asked:
    """A search: the text, the class it is limited to (by the slug of its list), the page."""

    text: str = ""
    kind: str = ""
    number: int = 1

    def address(self, path: str, **changes: object) -> str:
        """The same search with some of it changed."""
        values = {"q": self.text, "kind": self.kind, "page": self.number, **changes}
        kept = {name: value for name, value in values.items() if value and (name, value) != ("page", 1)}
        return f"{path}?{urlencode(kept)}"


@dataclass(frozen=True)
class ShownHit:
    """A hit as the page shows it; *told* is the text that answers, where it is not the name."""

    name: Shown
    kinds: tuple[Shown, ...]
    field: str
    told: str
    language: str


def answer(
    documents: Documents, path: str, query: str, accept: str | None, desk: Desk
) -> tuple[Format, bytes] | None:
    """What a path of the search answers, with its format; None for other paths.

    Raises: RequestError, NotAcceptableError, EndpointError.
    """
    if path == "/opensearch.xml":
        return OPENSEARCH, _description(documents)
    if path == "/search/suggest":
        return SUGGESTIONS, _suggestions(documents, _read(query).text, desk)
    if path not in ("/search", "/search.json"):
        return None
    fmt = JSON if path.endswith(".json") else negotiate(accept, (PAGE, JSON))
    asked = _read(query)
    kinds = _kinds(documents, asked)
    found = documents.search.find(
        asked.text, kinds=kinds, limit=PER_PAGE, offset=(asked.number - 1) * PER_PAGE
    )
    write = _json if fmt is JSON else _page
    return fmt, write(documents, desk, asked, found)


def kinds_by_slug(documents: Documents) -> Mapping[str, str]:
    """The classes a search can be limited to, by the slug of their lists."""
    index = documents.index
    found = {slug_of(kind): kind for kind in index.instances if not kind.startswith("_:")}
    # Where two classes have the same slug, ours has it.
    return {**found, **{slug_of(kind): kind for kind in found.values() if kind.startswith(index.base)}}


def _read(query: str) -> Asked:
    values = read_parameters(query)
    return Asked(values.get("q", "").strip(), values.get("kind", ""), page_number(values.get("page", "")))


def _kinds(documents: Documents, asked: Asked) -> tuple[str, ...]:
    if not asked.kind:
        return ()
    known = kinds_by_slug(documents)
    if asked.kind not in known:
        raise RequestError(
            f"kind={asked.kind}: there is no such class; /search without it names those there are"
        )
    return (known[asked.kind],)


def _paging(desk: Desk, asked: Asked, found: Found) -> Paging:
    total = min(found.total, CONSIDERED)
    return paging(
        total, PER_PAGE, asked.number, lambda number: asked.address(desk.local("/search"), page=number)
    )


def _page(_: Documents, desk: Desk, asked: Asked, found: Found) -> bytes:
    desk.index.ahead(hit.iri for hit in found.hits)
    return render(
        desk,
        "search.html",
        title=desk.word("search-for", text=asked.text) if asked.text else desk.word("search"),
        here="/search",
        asked=asked.text,
        found=found,
        hits=[_shown(desk, hit) for hit in found.hits],
        first=(asked.number - 1) * PER_PAGE + 1,
        kinds=_choices(desk, asked, found),
        paging=_paging(desk, asked, found),
        json=asked.address(desk.file("/search.json")),
    )


def _shown(desk: Desk, hit: Hit) -> ShownHit:
    name, why = desk.name(hit.iri), hit.why
    kinds = tuple(desk.kind(kind) for kind in desk.index.kinds(hit.iri)[:_KINDS_SHOWN])
    is_own_address = why.field == "identifier" and why.text == hit.iri
    is_news = not is_own_address and folded(why.text) != folded(name.text)
    return ShownHit(name, kinds, why.field, why.text if is_news else "", why.language)


def _choices(desk: Desk, asked: Asked, found: Found) -> list[Choice]:
    path = desk.local("/search")
    chosen = asked.kind
    everything = Choice(
        desk.word("search-everything"), asked.address(path, kind="", page=1), "", chosen=not chosen
    )
    kinds = sorted(found.kinds.items(), key=lambda entry: (-entry[1], entry[0]))
    return [
        everything,
        *(
            Choice(
                (shown := desk.kind(kind)).text,
                asked.address(path, kind=slug_of(kind), page=1),
                str(count),
                shown.language,
                chosen=slug_of(kind) == chosen,
            )
            for kind, count in kinds
        ),
    ]


def _json(documents: Documents, desk: Desk, asked: Asked, found: Found) -> bytes:
    pages = _paging(desk, asked, found)
    body: dict[str, Any] = {
        "query": asked.text,
        "total": found.total,
        "page": pages.number,
        "pages": pages.count,
        "corrected": found.corrected,
        "partly": found.partly,
        "kinds": [
            {"iri": kind, "slug": slug_of(kind), "name": desk.kind(kind).text, "count": count}
            for kind, count in sorted(found.kinds.items(), key=lambda entry: (-entry[1], entry[0]))
        ],
        "results": [_result(documents, desk, hit) for hit in found.hits],
    }
    return _written(body)


def _result(documents: Documents, desk: Desk, hit: Hit) -> dict[str, Any]:
    name = name_of(desk.index, hit.iri, (desk.language,))
    why: dict[str, str] = {"how": hit.why.how, "field": hit.why.field, "text": hit.why.text}
    if hit.why.language:
        why["language"] = hit.why.language
    return {
        "iri": hit.iri,
        "name": name.value,
        "page": desk.href(hit.iri)[0],
        "kinds": documents.search.kinds_of(hit.iri),
        "score": hit.score,
        "why": why,
    }


def _suggestions(documents: Documents, text: str, desk: Desk) -> bytes:
    """Names to complete a text with, what each is, and where it stands.

    Source: OpenSearch Suggestions 1.1.
    """
    hits = documents.search.find(text, limit=_SUGGESTED).hits
    desk.index.ahead(hit.iri for hit in hits)
    names = [desk.name(hit.iri).text for hit in hits]
    kinds = [", ".join(desk.kind(kind).text for kind in desk.index.kinds(hit.iri)[:1]) for hit in hits]
    return _written([text, names, kinds, [hit.iri for hit in hits]])


def _description(documents: Documents) -> bytes:
    """What a browser needs to search here from its own search field.

    Source: OpenSearch 1.1, "OpenSearch description elements".
    """
    title = escape(documents.desk("en").title)
    root = escape(documents.root)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<OpenSearchDescription xmlns="http://a9.com/-/spec/opensearch/1.1/">\n'
        f"<ShortName>{title[:16]}</ShortName>\n<Description>{title}</Description>\n"
        "<InputEncoding>UTF-8</InputEncoding>\n"
        f'<Url type="text/html" template="{root}search?q={{searchTerms}}"/>\n'
        f'<Url type="{JSON.media_type}" template="{root}search.json?q={{searchTerms}}"/>\n'
        f'<Url type="{SUGGESTIONS.media_type}" template="{root}search/suggest?q={{searchTerms}}"/>\n'
        "</OpenSearchDescription>\n"
    ).encode()


def _written(body: Sequence[Any] | Mapping[str, Any]) -> bytes:
    return f"{json.dumps(body, ensure_ascii=False, indent=1)}\n".encode()
