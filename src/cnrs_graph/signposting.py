"""Signposts: typed links that lead a machine from a page to the thing, its data, its licence and its kind."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cnrs_graph.formats import JSONLD, PAGE, TURTLE, Format
from cnrs_graph.replies import link, uri_of
from cnrs_graph.terms import expand

LINKSET = Format("linkset", "application/linkset", "linkset")
LINKSET_JSON = Format("linkset-json", "application/linkset+json", "linkset.json")
#: What the page about a thing is.
ABOUT_PAGE = expand("schema:AboutPage")
#: The formats that a header names as the data about a page; a linkset names all of them.
_DESCRIBING = (TURTLE, JSONLD)


@dataclass(frozen=True)
class Signposts:
    """What there is to link: the thing, its page, its data, what it consists of, and whose it is.

    Paths are those of this site; items and authors are IRIs.
    """

    thing: str
    page: str | None
    stem: str
    data: tuple[tuple[Format, str], ...]
    kinds: tuple[str, ...] = ()
    licence: str = ""
    authors: tuple[str, ...] = ()
    #: The files that hold the thing, each with its media type if that is known.
    items: tuple[tuple[str, str], ...] = ()

    def linksets(self) -> list[tuple[Format, str]]:
        """Where all links stand in one document."""
        return [(fmt, f"{self.stem}.{fmt.extension}") for fmt in (LINKSET_JSON, LINKSET)] if self.data else []


@dataclass(frozen=True)
class Signpost:
    """One typed link from an address."""

    anchor: str
    rel: str
    target: str
    media_type: str = ""


def header_of(posts: Signposts, base: str, fmt: Format, located: Callable[[str], str]) -> list[str]:
    """The members of the Link header of a page, or of one of its data formats.

    Source: FAIR Signposting profile, level 1; RFC 8288.
    """
    alternates = [(PAGE, posts.page)] if posts.page is not None else []
    members = [
        link(located(path), "alternate", media_type=each.media_type)
        for each, path in (*alternates, *posts.data)
    ]
    members += [link(posts.thing, "cite-as"), link(f"{base}{(posts.page or posts.stem)[1:]}", "canonical")]
    if fmt is PAGE:
        members += [
            link(located(path), "describedby", media_type=each.media_type)
            for each, path in posts.data
            if each in _DESCRIBING
        ]
        members += [link(target, "item", media_type=media_type) for target, media_type in posts.items]
    elif posts.page is not None:
        members.append(link(located(posts.page), "describes", media_type=PAGE.media_type))
    members += [link(target, rel) for rel, target in _facts(posts, fmt)]
    members += [link(located(path), "linkset", media_type=each.media_type) for each, path in posts.linksets()]
    return members


def signposts_of(posts: Signposts, base: str) -> list[Signpost]:
    """Every link from the page of a thing, from its data and from the files that hold it.

    All by permanent addresses, so that the document is the same wherever it is read.

    Source: FAIR Signposting profile, level 2.
    """
    page = f"{base}{(posts.page or posts.stem)[1:]}"
    data = [(fmt, f"{base}{path[1:]}") for fmt, path in posts.data]
    found = [Signpost(page, "cite-as", posts.thing)]
    found += [Signpost(page, rel, target) for rel, target in _facts(posts, PAGE)]
    found += [Signpost(page, "describedby", target, fmt.media_type) for fmt, target in data]
    found += [Signpost(page, "item", target, media_type) for target, media_type in posts.items]
    for fmt, target in data:
        found += [Signpost(target, "describes", page, PAGE.media_type if posts.page is not None else "")]
        found += [Signpost(target, rel, value) for rel, value in _facts(posts, fmt) if rel != "type"]
    return found + [Signpost(target, "collection", page, PAGE.media_type) for target, _ in posts.items]


def linkset_json(posts: Signposts, base: str) -> bytes:
    """Every link as a linkset in JSON.

    Source: RFC 9264, section 4.2.
    """
    contexts: dict[str, dict[str, list[dict[str, str]]]] = {}
    for post in signposts_of(posts, base):
        target = {"href": uri_of(post.target), **({"type": post.media_type} if post.media_type else {})}
        contexts.setdefault(uri_of(post.anchor), {}).setdefault(post.rel, []).append(target)
    linkset = [{"anchor": anchor, **links} for anchor, links in contexts.items()]
    return f"{json.dumps({'linkset': linkset}, ensure_ascii=False, indent=1)}\n".encode()


def linkset_text(posts: Signposts, base: str) -> bytes:
    """Every link as a linkset in the format of the Link header.

    Source: RFC 9264, section 4.1.
    """
    members = [
        link(post.target, post.rel, media_type=post.media_type or None, anchor=post.anchor)
        for post in signposts_of(posts, base)
    ]
    return (",\n".join(members) + "\n").encode()


def _facts(posts: Signposts, fmt: Format) -> Sequence[tuple[str, str]]:
    """Whose it is and of what kind; a page is a page about something too."""
    kinds = [kind for kind in posts.kinds if not kind.startswith("_:")]
    if fmt is PAGE and posts.page is not None:
        kinds.insert(0, ABOUT_PAGE)
    return (
        *(("author", author) for author in posts.authors),
        *((("license", posts.licence),) if posts.licence else ()),
        *(("type", kind) for kind in kinds),
    )
