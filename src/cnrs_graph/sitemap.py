"""What crawlers ask for first: which pages there are, and which addresses to leave alone."""

from __future__ import annotations

import re
import threading
import zlib
from collections.abc import Iterable
from urllib.parse import urlsplit
from xml.sax.saxutils import escape

from cnrs_graph.addresses import path_of
from cnrs_graph.documents import Documents
from cnrs_graph.formats import Format
from cnrs_graph.lookup import Kept

XML = Format("sitemap", "application/xml", "xml")
#: A sitemap may name so many pages; more are split over several, and an index names those.
PART = 50_000
#: Parts that were made from a store are kept, so many, and for so many seconds if it changes.
_KEPT = 16
_SECONDS = 3600.0
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
#: Other addresses of a page that is named already.
_ALIASES = ("/.well-known/void", "/catalog")
_NAMESPACE = "http://www.sitemaps.org/schemas/sitemap/0.9"


class Sitemaps:
    """Every page of a publication, named for crawlers."""

    def __init__(self, documents: Documents, *, part: int = PART) -> None:
        self._documents = documents
        self._part = part
        self._making = threading.Lock()
        stored = documents.publication.stored
        self._kept: Kept[int, bytes] = Kept(_KEPT, _SECONDS if stored is None or stored.changes else None)

    def at(self, path: str) -> bytes | None:
        """What stands at the path of a sitemap."""
        number, count = part_number(path), self._count()
        if path == "/sitemap.xml":
            return self._urls(0) if count == 1 else index(self._root, count, modified=self._modified)
        return self._urls(number - 1) if number is not None and 1 <= number <= count != 1 else None

    def paths(self) -> list[str]:
        """The paths of all sitemaps."""
        count = self._count()
        return ["/sitemap.xml", *(part_path(number) for number in range(1, count + 1) if count > 1)]

    @property
    def _root(self) -> str:
        publication = self._documents.publication
        return site_root(publication.base, publication.public_url)

    @property
    def _modified(self) -> str:
        """The day of the last change; empty if the data says none."""
        day = self._documents.of_dataset("dcterms:modified")
        return day if _DAY.fullmatch(day) else ""

    def _fixed(self) -> list[str]:
        """The pages that are at hand; of a store the things are not among them."""
        pages = {path for path, doc in self._documents.by_path.items() if doc.page is not None}
        return sorted({*pages, *self._documents.plain_pages} - set(_ALIASES))

    def _things(self) -> int:
        """How many things only the store knows."""
        stored = self._documents.publication.stored
        census = stored.counted().census if stored is not None else None
        return census.entities if census is not None else 0

    def _count(self) -> int:
        fixed, things = len(self._fixed()), self._things()
        return 1 if fixed + things <= self._part else -(-fixed // self._part) + -(-things // self._part)

    def _urls(self, number: int) -> bytes:
        """One sitemap, counted from 0: of what is at hand first, then of what the store knows."""
        # One at a time: of a large store a part takes long, and who asks next wants the same.
        with self._making:
            kept = self._kept.made(number, lambda: zlib.compress(self._made(number)))
        return zlib.decompress(kept)

    def _made(self, number: int) -> bytes:
        fixed = self._fixed()
        before = -(-len(fixed) // self._part) if self._count() > 1 else 0
        paths = fixed[number * self._part : (number + 1) * self._part] if number < max(before, 1) else []
        if number >= before:
            paths = [*paths, *self._of_store(number - before)]
        return urlset(self._root, paths, modified=self._modified)

    def _of_store(self, number: int) -> list[str]:
        stored = self._documents.publication.stored
        things = stored.things(number * self._part, self._part) if stored is not None else ()
        found = (path_of(self._documents.base, iri) for iri in things)
        return [path for path in found if path is not None and "#" not in path]


def site_root(base: str, public_url: str) -> str:
    """The address that the paths of the site are appended to: where it is served, else the base of its IRIs.

    >>> site_root("https://example.org/g/", "/a/b")
    'https://example.org/g'
    """
    return (public_url if urlsplit(public_url).netloc else base).rstrip("/")


def urlset(root: str, paths: Iterable[str], *, modified: str = "") -> bytes:
    """A sitemap of pages by their paths; *modified* is when they last changed, if that is known.

    Source: https://www.sitemaps.org/protocol.html.
    """
    return _written("urlset", "url", root, paths, modified)


def index(root: str, count: int, *, modified: str = "") -> bytes:
    """The index of so many sitemaps."""
    return _written("sitemapindex", "sitemap", root, map(part_path, range(1, count + 1)), modified)


def part_path(number: int) -> str:
    """The path of one of several sitemaps, counted from 1."""
    return f"/sitemap-{number}.xml"


def part_number(path: str) -> int | None:
    """Its inverse; None for what is no path of one.

    >>> part_number("/sitemap-12.xml"), part_number("/sitemap-012.xml")
    (12, None)
    """
    digits = path.removeprefix("/sitemap-").removesuffix(".xml")
    known = digits.isascii() and digits.isdecimal() and len(digits) < 7
    return int(digits) if known and part_path(int(digits)) == path else None


def robots(root: str, prefix: str) -> bytes:
    """The rules for crawlers: everything may be read, queries are not asked.

    Source: RFC 9309.
    """
    lines = (
        "User-agent: *",
        f"Disallow: {prefix}/sparql",
        f"Disallow: {prefix}/queries/*?",
        "",
        f"Sitemap: {root}/sitemap.xml",
        "",
    )
    return "\n".join(lines).encode()


def _written(outer: str, inner: str, root: str, paths: Iterable[str], modified: str) -> bytes:
    since = f"<lastmod>{escape(modified)}</lastmod>" if modified else ""
    entries = "".join(f"<{inner}><loc>{escape(root + path)}</loc>{since}</{inner}>\n" for path in paths)
    head = '<?xml version="1.0" encoding="UTF-8"?>\n'
    return f'{head}<{outer} xmlns="{_NAMESPACE}">\n{entries}</{outer}>\n'.encode()
