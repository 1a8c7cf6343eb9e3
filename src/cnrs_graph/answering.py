"""How a worker answers a query: within walls, streaming, in the format that fits the form of the query."""

from __future__ import annotations

import ctypes
import json
import os
import re
import resource
import signal
import socket
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, BinaryIO, NoReturn, TypeAlias, cast

import pyoxigraph as ox

#: A frame is its kind, one letter, and the length of what follows.
HEADER = struct.Struct("!cI")
FRAME_BYTES = 1 << 16

REQUEST, FORM, CHUNK, END, FAILED = b"Q", b"F", b"C", b"E", b"X"
#: Said behind the form of an answer from which something was left out.
CUT = "cut"
_PR_SET_PDEATHSIG = 1
_GRACE_SECONDS = 1.0

_NO_XML = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]|\xef\xbf[\xbe\xbf]")
#: XML 1.0 (fifth edition), productions 4 and 4a, without the colon.
_NAME_START = (
    "A-Za-z_\\u00c0-\\u00d6\\u00d8-\\u00f6\\u00f8-\\u02ff\\u0370-\\u037d\\u037f-\\u1fff\\u200c\\u200d\\u2070-\\u218f"
    "\\u2c00-\\u2fef\\u3001-\\ud7ff\\uf900-\\ufdcf\\ufdf0-\\ufffd\\U00010000-\\U000effff"
)
_XML_NAME_AT_END = re.compile(rf"[{_NAME_START}][{_NAME_START}0-9.\-\u00b7\u0300-\u036f\u203f\u2040]*\Z")
_XML = ("application/sparql-results+xml", "application/rdf+xml")
_WITH_PREFIXES = ("text/turtle", "application/trig", "application/rdf+xml")

_Graphs: TypeAlias = list[ox.NamedNode | ox.BlankNode | ox.DefaultGraph]
_NamedGraphs: TypeAlias = list[ox.NamedNode | ox.BlankNode]


class UnfitError(Exception):
    """An answer that cannot be written in the format that was asked for."""


class Frames:
    """What the engine writes, sent on in frames of bounded size; the first carries the form of the answer."""

    def __init__(self, channel: socket.socket, form: str, *, xml: bool) -> None:
        self._channel = channel
        self._ahead = frame(FORM, form.encode())
        self._pending = bytearray()
        self._xml = xml

    @property
    def file(self) -> IO[bytes]:
        """Itself, as the engine's type asks for it; the engine only writes and flushes."""
        return cast("IO[bytes]", self)

    def write(self, block: bytes) -> int:
        """Take what the engine wrote; a full frame waits here until the reader makes room for it."""
        self._pending += block
        while len(self._pending) >= FRAME_BYTES:
            self._send(FRAME_BYTES)
        return len(block)

    def flush(self) -> None:
        """Send nothing early: small answers leave in one piece."""

    def end(self) -> None:
        """Send what is left and say that the answer is whole."""
        self._send(len(self._pending), last=True)

    def _send(self, size: int, *, last: bool = False) -> None:
        if self._xml and not last:
            size = whole_characters(self._pending, size)
        block = bytes(self._pending[:size])
        del self._pending[:size]
        body = fit_for_xml(block) if self._xml else block
        chunk = frame(CHUNK, body) if body else b""
        self._channel.sendall(self._ahead + chunk + (frame(END) if last else b""))
        self._ahead = b""


def frame(kind: bytes, body: bytes = b"") -> bytes:
    r"""One message on a stream: kind, length, body.

    >>> frame(b"C", b"abc")
    b'C\x00\x00\x00\x03abc'
    """
    return HEADER.pack(kind, len(body)) + body


def whole_characters(text: bytes | bytearray, size: int) -> int:
    """The largest length up to *size* that does not cut a UTF-8 letter in two.

    >>> whole_characters("aé".encode(), 2)
    1
    """
    end = min(size, len(text))
    while end and end < len(text) and text[end] & 0xC0 == 0x80:
        end -= 1
    return end


def fit_for_xml(text: bytes) -> bytes:
    """Write carriage returns so that an XML reader keeps them; the engine writes them raw.

    Raises: UnfitError for a character that XML 1.0 cannot carry at all.
    Source: XML 1.0, sections 2.2 and 2.11.
    """
    if _NO_XML.search(text):
        raise UnfitError(
            "the answer holds a control character, which XML cannot carry; ask for another format"
        )
    return text.replace(b"\r", b"&#13;")


def with_xml_names(triples: Iterable[ox.Triple]) -> Iterator[ox.Triple]:
    """Pass triples on as long as RDF/XML has an element name for the predicate.

    Raises: UnfitError otherwise; the engine would write a document that is no XML.
    Source: RDF 1.1 XML Syntax, section 2.4.
    """
    for triple in triples:
        if not _XML_NAME_AT_END.search(triple.predicate.value):
            raise UnfitError(
                f"RDF/XML has no name for the predicate {triple.predicate.value}; ask for another format"
            )
        yield triple


def run_worker(
    descriptors: Sequence[int], store: ox.Store | None, settings: Mapping[str, Any], *, parent: int
) -> NoReturn:
    """Be a worker until the parent closes the channel; a store on disk is opened here, for its threads' sake.

    What the engine prints when it aborts goes to *complaints*, not to the terminal.
    """
    channel, complaints = descriptors
    try:
        os.dup2(complaints, 2)
        os.close(complaints)
        put_up_walls(parent)
        if store is None:
            store = ox.Store.read_only(settings["folder"])
        with socket.socket(fileno=channel) as connection, connection.makefile("rb") as requests:
            while request := read_request(requests):
                cap_memory(settings["memory_bytes"])
                answer(connection, store, {**request, "prefixes": settings["prefixes"]})
    except Exception as error:
        os.write(2, f"{type(error).__name__}: {error}".encode())
    finally:
        os._exit(0)


def read_request(requests: BinaryIO) -> dict[str, Any] | None:
    """The next request, or None when the parent has hung up."""
    header = requests.read(HEADER.size)
    if len(header) < HEADER.size:
        return None
    _, length = HEADER.unpack(header)
    request: dict[str, Any] = json.loads(requests.read(length))
    return request


def answer(channel: socket.socket, store: ox.Store, request: Mapping[str, Any]) -> None:
    """Answer one request, streaming; the clock here is a second one, should the parent be unable to kill."""
    signal.setitimer(signal.ITIMER_REAL, request["seconds"] + _GRACE_SECONDS)
    try:
        write_answer(channel, store, request)
    except MemoryError:
        fail(channel, "memory", "")
    except SyntaxError as error:
        fail(channel, "syntax", str(error))
    except UnfitError as error:
        fail(channel, "unfit", str(error))
    except (OSError, RuntimeError, ValueError) as error:
        fail(channel, "engine", str(error))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def fail(channel: socket.socket, kind: str, message: str) -> None:
    """Say why there is no answer, or no more of it."""
    channel.sendall(frame(FAILED, json.dumps([kind, message]).encode()))


def write_answer(channel: socket.socket, store: ox.Store, request: Mapping[str, Any]) -> None:
    """Run the query and let the engine write its answer in the format that fits its form."""
    default, named = graphs_of(request)
    found = store.query(request["query"], default_graph=default, named_graphs=named)
    if isinstance(found, ox.QueryTriples):
        most = request["most_statements"]
        if most is None:
            write_graph(found, channel, "CONSTRUCT", request["graphs"], request["prefixes"])
        else:
            first, is_cut = at_most(found, most)
            form = f"CONSTRUCT {CUT}" if is_cut else "CONSTRUCT"
            write_graph(first, channel, form, request["graphs"], request["prefixes"])
        return
    media_type = request["results"]
    form = "ASK" if isinstance(found, ox.QueryBoolean) else "SELECT"
    frames = Frames(channel, form, xml=media_type in _XML)
    found.serialize(frames.file, format=ox.QueryResultsFormat.from_media_type(media_type))
    frames.end()


def whole_answer(
    store: ox.Store, text: str, media_type: str, *, most_statements: int | None, prefixes: Mapping[str, str]
) -> bytes:
    """The answer to a query in one piece, in a format that fits its form.

    Raises: what the engine raises; UnfitError for a graph of more than *most_statements* too.
    """
    found = store.query(text)
    if isinstance(found, ox.QueryTriples):
        triples: Iterable[ox.Triple] = found
        if most_statements is not None:
            triples, is_cut = at_most(found, most_statements)
            if is_cut:
                raise UnfitError("the description is too long to be sent whole")
        body = serialized(triples, media_type, prefixes)
    else:
        body = found.serialize(format=ox.QueryResultsFormat.from_media_type(media_type))
    return fit_for_xml(body or b"") if media_type in _XML else body or b""


def at_most(found: Iterable[ox.Triple], most: int) -> tuple[list[ox.Triple], bool]:
    """The first statements of a description, each once, and whether there are more.

    >>> at_most("abacd", 3)
    (['a', 'b', 'c'], True)
    """
    kept: dict[ox.Triple, None] = {}
    for triple in found:
        if len(kept) == most and triple not in kept:
            return list(kept), True
        kept[triple] = None
    return list(kept), False


def write_graph(
    found: Iterable[ox.Triple],
    channel: socket.socket,
    said: str,
    media_type: str,
    prefixes: Mapping[str, str],
) -> None:
    """Write the statements of a CONSTRUCT or DESCRIBE; *said* goes ahead of them as their form."""
    frames = Frames(channel, said, xml=media_type in _XML)
    serialized(found, media_type, prefixes, frames.file)
    frames.end()


def serialized(
    found: Iterable[ox.Triple], media_type: str, prefixes: Mapping[str, str], output: IO[bytes] | None = None
) -> bytes | None:
    """Statements in a format, written to a file where one is given."""
    form = ox.RdfFormat.from_media_type(media_type)
    if media_type not in _WITH_PREFIXES:
        return ox.serialize(found, output, format=form)
    triples = with_xml_names(found) if media_type in _XML else found
    return ox.serialize(triples, output, format=form, prefixes=dict(prefixes))


def graphs_of(request: Mapping[str, Any]) -> tuple[_Graphs | None, _NamedGraphs | None]:
    """The default and the named graphs that a request asks for, if any: they then replace the query's FROM.

    Source: SPARQL 1.1 Protocol, section 2.1.4.
    """
    default, named = request["default_graphs"], request["named_graphs"]
    if default is None and named is None:
        return None, None
    return [ox.NamedNode(graph) for graph in default or ()], [ox.NamedNode(graph) for graph in named or ()]


def cap_memory(memory_bytes: int) -> None:
    """Let this process grow by so much from now on, whatever earlier queries left behind."""
    mapped = mapped_bytes()
    if mapped is not None:
        resource.setrlimit(resource.RLIMIT_AS, (mapped + memory_bytes, resource.RLIM_INFINITY))


def put_up_walls(parent: int) -> None:
    """Close this worker in: no core files, and an end when its parent ends."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if has_prctl():
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)


def has_prctl() -> bool:
    """Whether a process can ask to end with its parent."""
    return hasattr(ctypes.CDLL(None), "prctl")


def mapped_bytes() -> int | None:
    """The address space this process uses, or None where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
    except OSError:
        return None
    return pages * resource.getpagesize()
