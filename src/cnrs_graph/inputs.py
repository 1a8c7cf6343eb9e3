"""What stands in a file somebody gives us: its format, and its bytes without their packing."""

from __future__ import annotations

import glob
import gzip
import json
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePath
from typing import IO, cast

import pyoxigraph as ox

from cnrs_graph.errors import Place, SourceError

#: What we read, by file extension; each may be followed by that of gzip.
READABLE: Mapping[str, ox.RdfFormat] = {
    ".ttl": ox.RdfFormat.TURTLE,
    ".nt": ox.RdfFormat.N_TRIPLES,
    ".trig": ox.RdfFormat.TRIG,
    ".nq": ox.RdfFormat.N_QUADS,
    ".rdf": ox.RdfFormat.RDF_XML,
    ".owl": ox.RdfFormat.RDF_XML,
    ".xml": ox.RdfFormat.RDF_XML,
    ".jsonld": ox.RdfFormat.JSON_LD,
}
#: How a format is called when it is named, and the extension of a file that holds it.
NAMED: Mapping[str, str] = {
    "turtle": ".ttl",
    "trig": ".trig",
    "ntriples": ".nt",
    "nquads": ".nq",
    "jsonld": ".jsonld",
    "rdfxml": ".rdf",
}
PACKED = ".gz"
_MARK = "\ufeff".encode()
_GZIP = b"\x1f\x8b"
_XML = re.compile(r"\s*<(?:\?xml|!DOCTYPE|!--|rdf:RDF\b)", re.IGNORECASE)
_NODE = r"(?:<[^>]*>|_:\S+)"
_LITERAL = r'"(?:[^"\\]|\\.)*"(?:\^\^<[^>]*>|@[\w-]+)?'
_QUAD = re.compile(rf"{_NODE}\s*<[^>]*>\s*(?:{_NODE}|{_LITERAL})\s*{_NODE}\s*\.")


def extension_of(path: PurePath) -> str:
    """The extension that tells the format, in small letters: that before `.gz` where the file is packed.

    >>> extension_of(PurePath("data/dump.TTL.gz"))
    '.ttl'
    """
    is_packed = path.suffix.lower() == PACKED
    return (path.with_suffix("") if is_packed else path).suffix.lower()


def is_readable(path: PurePath) -> bool:
    """Whether the extension of a file is one that we read."""
    return extension_of(path) in READABLE


def unpacked(file: IO[bytes], path: PurePath) -> IO[bytes]:
    """What an open file holds, taken out of its gzip as it is read."""
    is_packed = path.suffix.lower() == PACKED
    return cast("IO[bytes]", gzip.GzipFile(fileobj=file)) if is_packed else file


def content_of(path: Path) -> bytes:
    """The bytes of a file, out of their gzip, without the mark that some editors put before a text.

    Raises: SourceError when it cannot be read, or is packed and damaged.
    """
    try:
        content = path.read_bytes()
        content = gzip.decompress(content) if path.suffix.lower() == PACKED else content
        return content.removeprefix(_MARK)
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or f"this is no whole gzip file: {error}"
        raise SourceError(Place(path), reason) from error


def sniffed(content: bytes) -> tuple[str, bytes]:
    """The extension for content that came without a name, and the content out of its gzip.

    The rule: what gzip packed is unpacked; a whole JSON text is JSON-LD; what begins as XML is RDF/XML; a
    first statement of four terms is N-Quads; what is no Turtle but is TriG is TriG; anything else is Turtle,
    of which N-Triples is a part.
    Raises: SourceError if it is packed and damaged.
    """
    if content.startswith(_GZIP):
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise SourceError(Place(Path("stdin")), f"this is no whole gzip file: {error}") from error
    content = content.removeprefix(_MARK)
    return _extension_for(content), content


def _extension_for(content: bytes) -> str:
    text = content.decode("utf-8", "replace")
    if text.lstrip()[:1] in ("{", "[") and _is_json(text):
        return ".jsonld"
    if _XML.match(text):
        return ".rdf"
    lines = (line.strip() for line in text.splitlines())
    first = next((line for line in lines if line and not line.startswith("#")), "")
    if _QUAD.match(first):
        return ".nq"
    if not _parses(content, ox.RdfFormat.TURTLE) and _parses(content, ox.RdfFormat.TRIG):
        return ".trig"
    return ".ttl"


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _parses(content: bytes, form: ox.RdfFormat) -> bool:
    try:
        for _ in ox.parse(input=content, format=form, base_iri="urn:x:stdin"):
            pass
    except SyntaxError:
        return False
    return True


def expanded(given: Iterable[str]) -> tuple[str, ...]:
    """The paths given, each pattern (`*`, `?`, `[…]`, `**` for any depth) replaced by the files it matches.

    Raises: SourceError if a pattern matches nothing.
    """
    return tuple(path for each in given for path in _matches(each))


def _matches(given: str) -> Iterator[str]:
    if not re.search(r"[*?[]", given) or Path(given).exists():
        yield given
        return
    matched = sorted(glob.glob(given, recursive=True))  # noqa: PTH207 - a whole pattern, absolute or not
    found = [path for path in matched if Path(path).is_dir() or is_readable(Path(path))]
    if not found:
        raise SourceError(Place(Path(given)), "no file that we read matches this pattern")
    yield from found
