"""The whole site as files for any web server: the bytes that the server answers, and rules to serve them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from cnrs_graph import hosting
from cnrs_graph.errors import Place, SourceError, UnknownResourceError, WithdrawnError
from cnrs_graph.formats import GRAPH_FORMATS, PAGE, TEXT, Format
from cnrs_graph.publication import Publication
from cnrs_graph.site import addresses, failure, reply, site_of

#: The folder with the files that are served; what is beside it is for whoever serves them.
FILES = "www"


def export(publication: Publication, place: Path) -> int:
    """Write the site below a folder that is empty or not there; gives the number of files served.

    Raises: SourceError when the folder holds something or cannot be written.
    """
    try:
        if place.exists() and any(place.iterdir()):
            raise SourceError(Place(place), "the folder is not empty; name one that is, or that is not there")
        return _export(publication, place)
    except OSError as error:
        raise SourceError(Place(place), f"cannot be written: {error.strerror}") from error


def _export(publication: Publication, place: Path) -> int:
    site = site_of(publication)
    root = place / FILES / site.prefix.strip("/")
    types: dict[str, str] = {}
    count = 0
    for name, fmt, body in files(publication):
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(body)
        types[fmt.extension] = fmt.media_type
        count += 1
    copy = hosting.Copy(publication.base, site.prefix, types, tuple(publication.retired.values()))
    (place / "nginx.conf").write_text(hosting.nginx(copy), encoding="utf-8")
    (place / "apache.conf").write_text(hosting.apache(copy), encoding="utf-8")
    if urlsplit(publication.public_url).netloc:
        rule = hosting.w3id(publication.public_url.rstrip("/"))
        (place / "w3id.htaccess").write_text(rule, encoding="utf-8")
    (place / "SHA256SUMS").write_text("".join(_sums(place)), encoding="utf-8")
    return count


def files(publication: Publication) -> Iterator[tuple[str, Format, bytes]]:
    """Every file of the site, by its path without a slash at the start, each once.

    The page at /x is the file x.html, and what is negotiated at /x has a file for each format beside it.
    """
    seen: set[str] = set()
    for path, fmt in (*addresses(publication), *_negotiated(publication)):
        name = file_of(path, fmt)
        answer = reply(publication, path, accept=fmt.media_type)
        # A document that RDF/XML cannot hold has no such file.
        if name not in seen and answer.status == 200:
            seen.add(name)
            yield name, fmt, answer.body
    yield from _leftovers(publication)


def file_of(path: str, fmt: Format) -> str:
    """The file that answers for an address in a format.

    >>> file_of("/doc/garden/caf%C3%A9", PAGE)
    'doc/garden/café.html'
    >>> file_of("/fr/", PAGE)
    'fr/index.html'
    """
    name = f"{unquote(path)}index".lstrip("/") if path.endswith("/") else unquote(path).lstrip("/")
    named = name.endswith(f".{fmt.extension}") and fmt is not PAGE
    return name if named or fmt is TEXT else f"{name}.{fmt.extension}"


def _negotiated(publication: Publication) -> Iterator[tuple[str, Format]]:
    """Addresses outside /doc/ where data is answered too."""
    for path, doc in site_of(publication).documents.by_path.items():
        if not path.startswith("/doc/") and doc.quads is not None:
            yield from ((path, fmt) for fmt in GRAPH_FORMATS)


def _leftovers(publication: Publication) -> Iterator[tuple[str, Format, bytes]]:
    """What is said where nothing is, and of what is published no more."""
    nothing = UnknownResourceError("this address")
    yield f"{hosting.GONE[1:]}/404.html", PAGE, failure(publication, nothing, accept=PAGE.media_type).body
    for path, retired in site_of(publication).documents.retired.items():
        if retired.replaced_by is None:
            name = f"{hosting.GONE[1:]}/{unquote(path.removeprefix('/doc/'))}"
            gone = WithdrawnError(retired.iri, retired.reason)
            yield f"{name}.html", PAGE, failure(publication, gone, accept=PAGE.media_type).body
            for fmt in GRAPH_FORMATS:
                yield f"{name}.{fmt.extension}", fmt, reply(publication, path, accept=fmt.media_type).body


def _sums(place: Path) -> Iterator[str]:
    """A line for each file, as sha256sum writes and checks them."""
    for file in sorted(each for each in place.rglob("*") if each.is_file()):
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        yield f"{digest}  {file.relative_to(place).as_posix()}\n"
