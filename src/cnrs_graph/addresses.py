"""Which path of a site answers for which IRI, and back: one rule for pages, links, redirects and exports."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection
from urllib.parse import quote, unquote, urlsplit

#: Characters that stand for themselves in a path, as RFC 3986 allows (section 3.3), and the percent sign.
_SAFE = "/!$&'()*+,;=:@-._~%"


def path_of(base: str, iri: str) -> str | None:
    """The path of the page about one of our IRIs, percent-encoded; None for others.

    >>> path_of("https://example.org/", "https://example.org/id/cooperation/ln2")
    '/doc/cooperation/ln2'
    >>> path_of("https://example.org/", "https://example.org/ontology#Term")
    '/ontology#Term'
    """
    if not iri.startswith(base):
        return None
    tail, hash_mark, fragment = iri[len(base) :].partition("#")
    folder, _, rest = tail.partition("/")
    path = f"/doc/{rest}" if folder == "id" and rest else f"/{tail}"
    return encoded(path) + (f"#{quote(fragment, safe='/?' + _SAFE)}" if hash_mark else "")


def data_path(base: str, iri: str, extension: str) -> str | None:
    """The path of the data about a thing in one format; None for an IRI that is no thing of ours.

    >>> data_path("https://example.org/", "https://example.org/id/cooperation/ln2", "ttl")
    '/data/cooperation/ln2.ttl'
    """
    if not iri.startswith(f"{base}id/"):
        return None
    return f"{encoded('/data/' + iri[len(base) + 3 :])}.{extension}"


def encoded(path: str) -> str:
    """A path with everything but the characters of RFC 3986 percent-encoded, what is encoded left alone.

    >>> encoded("/doc/café")
    '/doc/caf%C3%A9'
    """
    return quote(path, safe=_SAFE)


def in_language(path: str, languages: Collection[str]) -> tuple[str | None, str]:
    """The language that a path names in front, and the path behind it; None where it names none.

    >>> in_language("/fr/doc/country/can", ("en", "fr"))
    ('fr', '/doc/country/can')
    >>> in_language("/doc/country/can", ("en", "fr"))
    (None, '/doc/country/can')
    """
    first, slash, rest = path[1:].partition("/")
    return (first, f"/{rest}") if slash and first in languages else (None, path)


def folded(path: str) -> str:
    r"""What different spellings of one path have in common: case, encoding, composition, slashes at the end.

    >>> folded("/doc/Caf%C3%A9/") == folded("/doc/cafe\u0301")
    True
    """
    return unicodedata.normalize("NFC", unquote(path, errors="replace")).casefold().rstrip("/")


def prefix_of(public_url: str) -> str:
    """The path prefix under which the site is served, from its public URL; links are made with it alone.

    >>> prefix_of("https://example.org/a/b/")
    '/a/b'
    """
    return urlsplit(public_url).path.rstrip("/")
