"""Where a statement stands: line and column of a triple in the file that says it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import pyoxigraph as ox

from cnrs_graph.errors import Place
from cnrs_graph.inputs import READABLE, content_of, extension_of
from cnrs_graph.terms import PREFIXES, Term

#: The files whose lines we can count; in others a statement has the file as its place.
LINED = frozenset({".ttl", ".trig", ".nt", ".nq"})

_XSD, _RDF = PREFIXES["xsd"], PREFIXES["rdf"]
_TYPE, _FIRST, _REST, _NIL = (ox.NamedNode(_RDF + name) for name in ("type", "first", "rest", "nil"))
_TYPED_WORDS = {word: ox.Literal(word, datatype=ox.NamedNode(f"{_XSD}boolean")) for word in ("true", "false")}

_LETTER = r"[^\W\d_]"
_LOCAL = r"(?:[\w:\u00B7]|%[0-9A-Fa-f]{2}|\\[_~.\-!$&'()*+,;=/?\#@%])"
_TOKEN = re.compile(
    rf"""
    (?P<space> (?: \s | \#[^\n\r]* )+ )
  | (?P<iri> <[^<>"{{}}|^`\x00-\x20]*> )
  | (?P<string> \"\"\"(?:"{{0,2}}(?:[^"\\]|\\.))*\"\"\" | '''(?:'{{0,2}}(?:[^'\\]|\\.))*'''
              | "(?:[^"\\\n\r]|\\.)*" | '(?:[^'\\\n\r]|\\.)*' )
  | (?P<blank> _:\w(?:[\w.\-\u00B7]*[\w\-\u00B7])? )
  | (?P<name> (?:{_LETTER}(?:[\w.\-\u00B7]*[\w\-\u00B7])?)?
              : (?:{_LOCAL}(?:(?:{_LOCAL}|[.\-])*(?:{_LOCAL}|-))?)? )
  | (?P<directive> @prefix\b | @base\b )
  | (?P<language> @[A-Za-z]+(?:-[A-Za-z0-9]+)* )
  | (?P<number> [+-]?(?: [0-9]+\.?[0-9]*[eE][+-]?[0-9]+ | \.[0-9]+[eE][+-]?[0-9]+
              | [0-9]*\.[0-9]+ | [0-9]+ ) )
  | (?P<word> [A-Za-z]+ )
  | (?P<datatype> \^\^ )
  | (?P<mark> [.;,\[\](){{}}] )
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.))", re.DOTALL)
_ESCAPED = {"t": "\t", "b": "\b", "n": "\n", "r": "\r", "f": "\f"}


class Located(NamedTuple):
    """A triple and where its object stands; without predicate and value, a subject and where it stands."""

    subject: Term
    predicate: ox.NamedNode | None
    value: Term | None
    line: int | None
    column: int | None


@dataclass(slots=True)
class _Frame:
    """What the reader is in the middle of: the document, a `[ … ]` or a `( … )`."""

    opener: str
    start: int
    subject: Term | None = None
    subject_start: int = 0
    predicate: ox.NamedNode | None = None
    awaits: str = "subject"
    head: Term | None = None


def locate(text: str, *, base: str = "", subjects: Iterable[Term] | None = None) -> Iterator[Located]:
    """Say where each triple stands in a Turtle, TriG, N-Triples or N-Quads text: the place of its object.

    Lines and columns count from 1, in characters. With *subjects*, only their triples are given.
    Blank nodes have names of our own, except those the text names.

    Raises: ValueError at the first character that is not RDF 1.1; what stands before it has been given.
    """
    reader = _Reader(base)
    wanted = None if subjects is None else frozenset(subjects)
    lines = _Lines(text)
    for kind, token_text, start in _tokens(text):
        reader.read(kind, token_text, start)
        for subject, predicate, value, place in reader.found:
            if wanted is None or subject in wanted:
                yield Located(subject, predicate, value, *lines.at(place))
        reader.found.clear()


def place_of(
    files: Mapping[str, Path], subject: Term, predicate: ox.NamedNode | None = None, value: Term | None = None
) -> Place | None:
    """The place of a triple: of that value, of the first value of the predicate, or of the subject.

    Graphs: *files* says which file became which graph. What is not found falls back to the subject, so that
    a missing property has a place too; None when no file says anything about the subject.
    """
    return find(index(files, [subject]), subject, predicate, value)


def index(
    files: Mapping[str, Path], subjects: Iterable[Term], quads: Iterable[ox.Quad] = ()
) -> Mapping[Term, tuple[tuple[Path, Located], ...]]:
    """Locate every triple about the subjects, once for all of them, by subject.

    Blank nodes have other names in *quads* than in the files; they are matched by what is said about them.
    """
    wanted = frozenset(subjects)
    has_blank = any(isinstance(subject, ox.BlankNode) for subject in wanted)
    found = [
        (path, located)
        for graph, path in sorted(files.items(), key=lambda item: item[1])
        for located in _locate_file(path, graph, None if has_blank else wanted)
    ]
    names = _blank_names(quads, [located for _, located in found]) if has_blank else {}
    places: dict[Term, list[tuple[Path, Located]]] = {}
    for path, located in found:
        subject = names.get(located.subject, located.subject)
        if subject in wanted:
            value = located.value if located.value is None else names.get(located.value, located.value)
            places.setdefault(subject, []).append((path, located._replace(subject=subject, value=value)))
    return {subject: tuple(rows) for subject, rows in places.items()}


def find(
    places: Mapping[Term, tuple[tuple[Path, Located], ...]],
    subject: Term,
    predicate: ox.NamedNode | None = None,
    value: Term | None = None,
) -> Place | None:
    """Choose among located triples: that value, else the predicate's first, else where the subject stands.

    Without predicate, any triple with the value will do. A subject that stands in several files stands first
    where its type is said.
    """
    rows = places.get(subject, ())
    typed = {path for path, located in rows if located.predicate == _TYPE}
    order = sorted(rows, key=lambda row: (row[0] not in typed, row[0], row[1].line is None, row[1][3:]))
    said = [row for row in order if row[1].predicate is not None and predicate in (None, row[1].predicate)]
    exact = [row for row in said if value is not None and row[1].value == value]
    of_predicate = said if predicate is not None else []
    standing = [row for row in order if row[1].predicate is None]
    for path, located in (*exact, *of_predicate, *standing):
        return Place(path, located.line, located.column)
    return None


def _locate_file(path: Path, graph: str, subjects: frozenset[Term] | None) -> Iterator[Located]:
    """Locate the triples of a file; a file whose lines we cannot count gives them without line."""
    content = content_of(path)
    if extension_of(path) in LINED:
        try:
            yield from locate(content.decode(), base=graph, subjects=subjects)
        except ValueError:
            # Newer syntax than RDF 1.1: the file alone is still a place.
            pass
        else:
            return
    yield from _without_lines(content, path, graph, subjects)


def _without_lines(
    content: bytes, path: Path, graph: str, subjects: frozenset[Term] | None
) -> Iterator[Located]:
    for quad in ox.parse(input=content, format=READABLE[extension_of(path)], base_iri=graph):
        if subjects is None or quad.subject in subjects:
            yield Located(quad.subject, None, None, None, None)
            yield Located(quad.subject, quad.predicate, quad.object, None, None)


@dataclass
class _Reader:
    """The state between two tokens; triples come out in `found`, with the offset of their object."""

    base: str
    found: list[tuple[Term, ox.NamedNode | None, Term | None, int]] = field(default_factory=list)
    frames: list[_Frame] = field(default_factory=lambda: [_Frame("", 0)])
    prefixes: dict[str, str] = field(default_factory=dict)
    directive: list[str] = field(default_factory=list)
    literal: tuple[str, int, bool] | None = None
    terms: dict[str, ox.NamedNode] = field(default_factory=dict)

    def read(self, kind: str, text: str, start: int) -> None:
        """Take in one text."""
        if self.literal is not None and self._finished_literal(kind, text):
            return
        if self.directive:
            self._declare(kind, text)
        elif kind == "mark":
            self._punctuate(text, start)
        elif kind == "directive":
            self.directive = [text]
        elif kind == "string":
            self.literal = (_string(text), start, False)
        elif kind == "word":
            self._word(text, start)
        else:
            self._term(self._single(kind, text, start), start)

    def _finished_literal(self, kind: str, text: str) -> bool:
        """Take language tag or datatype into the literal just read; True when the token belonged to it."""
        if self.literal is None:
            return False
        value, start, is_typed = self.literal
        if kind == "datatype":
            self.literal = (value, start, True)
            return True
        self.literal = None
        if is_typed:
            self._term(ox.Literal(value, datatype=self._iri(kind, text, start)), start)
        elif kind == "language":
            self._term(ox.Literal(value, language=text[1:]), start)
        else:
            self._term(ox.Literal(value), start)
        return is_typed or kind == "language"

    def _declare(self, kind: str, text: str) -> None:
        """Read on in a directive: `@prefix p: <iri> .`, `@base <iri> .`, or those of SPARQL, without dot."""
        word = self.directive[0]
        if kind == "name":
            self.directive.append(text[:-1])
        elif kind == "iri":
            iri = self._resolve(_unescape(text[1:-1]))
            if word.lower().endswith("base"):
                self.base = iri
            else:
                self.prefixes[self.directive[1]] = iri
            self.terms.clear()
            if not word.startswith("@"):
                self.directive = []
        else:
            self.directive = []

    def _word(self, text: str, start: int) -> None:
        frame = self.frames[-1]
        if text in _TYPED_WORDS and frame.awaits == "object":
            self._term(_TYPED_WORDS[text], start)
        elif text == "a" and frame.awaits == "verb":
            self._term(_TYPE, start)
        elif frame.awaits == "subject" and text.lower() in ("prefix", "base"):
            self.directive = [text]
        elif frame.awaits != "subject" or text.lower() != "graph":
            raise ValueError(f"{text!r} is not expected at offset {start}")

    def _single(self, kind: str, text: str, start: int) -> Term:
        if kind == "blank":
            return ox.BlankNode(text[2:])
        if kind == "number":
            name = "double" if "e" in text.lower() else "decimal" if "." in text else "integer"
            return ox.Literal(text, datatype=ox.NamedNode(_XSD + name))
        return self._iri(kind, text, start)

    def _iri(self, kind: str, text: str, start: int) -> ox.NamedNode:
        known = self.terms.get(text)
        if known is None:
            if kind == "iri":
                known = ox.NamedNode(self._resolve(_unescape(text[1:-1])))
            else:
                prefix, _, local = text.partition(":")
                if kind != "name" or prefix not in self.prefixes:
                    raise ValueError(f"{text!r} is not expected at offset {start}")
                known = ox.NamedNode(self.prefixes[prefix] + re.sub(r"\\(.)", r"\1", local))
            self.terms[text] = known
        return known

    def _resolve(self, iri: str) -> str:
        """Make an IRI absolute, the way the engine does."""
        if re.match(r"[A-Za-z][A-Za-z0-9+.\-]*:", iri) or not self.base:
            return iri
        line = f"<{iri}> <x:> <x:> ."
        parsed = ox.parse(input=line, format=ox.RdfFormat.TURTLE, base_iri=self.base)
        return str(next(parsed).subject.value)

    def _term(self, term: Term, start: int) -> None:
        """Put a whole term where one is awaited."""
        frame = self.frames[-1]
        if frame.opener == "(":
            self._item(frame, term, start)
        elif frame.awaits == "subject":
            frame.subject, frame.subject_start, frame.awaits = term, start, "verb"
        elif frame.awaits == "verb" and isinstance(term, ox.NamedNode) and frame.subject is not None:
            frame.predicate, frame.awaits = term, "object"
            self.found.append((frame.subject, None, None, frame.subject_start))
        elif frame.awaits == "object" and frame.subject is not None:
            self.found.append((frame.subject, frame.predicate, term, start))
            frame.awaits = "end"
        elif frame.awaits != "end":
            raise ValueError(f"{term} is not expected at offset {start}")
        # A term after the object is the graph of an N-Quads line.

    def _item(self, frame: _Frame, term: Term, start: int) -> None:
        node = ox.BlankNode()
        if frame.subject is None:
            frame.head = node
        else:
            self.found.append((frame.subject, _REST, node, start))
        frame.subject = node
        self.found.extend(((node, None, None, start), (node, _FIRST, term, start)))

    def _punctuate(self, text: str, start: int) -> None:
        frame = self.frames[-1]
        if text == ",":
            frame.awaits = "object"
        elif text == ";":
            frame.awaits = "verb"
        elif text in ".{}":
            frame.subject, frame.awaits = None, "subject"
        elif text == "[":
            self.frames.append(_Frame("[", start, ox.BlankNode(), start, awaits="verb"))
        elif text == "(":
            self.frames.append(_Frame("(", start))
        else:
            self._close(text, start)

    def _close(self, text: str, start: int) -> None:
        frame = self.frames.pop()
        if frame.opener + text not in ("[]", "()"):
            raise ValueError(f"{text!r} is not expected at offset {start}")
        if text == "]" and frame.subject is not None:
            self._term(frame.subject, frame.start)
        elif frame.head is None or frame.subject is None:
            self._term(_NIL, frame.start)
        else:
            self.found.append((frame.subject, _REST, _NIL, start))
            self._term(frame.head, frame.start)


class _Lines:
    """Offsets to lines and columns, asked in any order."""

    def __init__(self, text: str) -> None:
        self.starts = [0, *(match.end() for match in re.finditer("\n", text))]

    def at(self, offset: int) -> tuple[int, int]:
        from bisect import bisect_right

        line = bisect_right(self.starts, offset)
        return line, offset - self.starts[line - 1] + 1


def _tokens(text: str) -> Iterator[tuple[str, str, int]]:
    end = 0
    for match in _TOKEN.finditer(text):
        if match.start() != end:
            break
        end = match.end()
        if match.lastgroup is not None and match.lastgroup != "space":
            yield match.lastgroup, match[0], match.start()
    if end != len(text):
        raise ValueError(f"{text[end : end + 20]!r} is not RDF 1.1, at offset {end}")


def _string(text: str) -> str:
    quotes = 3 if len(text) >= 6 and text[:3] in ('"""', "'''") else 1
    return _unescape(text[quotes:-quotes])


def _unescape(text: str) -> str:
    if "\\" not in text:
        return text
    return _ESCAPE.sub(
        lambda match: _ESCAPED.get(match[3], match[3]) if match[3] else chr(int(match[1] or match[2], 16)),
        text,
    )


def _blank_names(quads: Iterable[ox.Quad], located: Iterable[Located]) -> dict[Term, Term]:
    """Match the blank nodes of files to those of quads by what is said about them.

    Two that cannot be told apart within five steps get the same name, which is good enough for a place.
    """
    ours = _signatures((quad.subject, quad.predicate, quad.object) for quad in quads)
    theirs = _signatures(
        (row.subject, row.predicate, row.value)
        for row in located
        if row.predicate is not None and row.value is not None
    )
    by_signature = {signature: node for node, signature in ours.items()}
    return {node: by_signature[signature] for node, signature in theirs.items() if signature in by_signature}


def _signatures(triples: Iterable[tuple[Term, ox.NamedNode, Term]]) -> dict[Term, int]:
    around: dict[Term, list[tuple[str, ox.NamedNode, Term]]] = {}
    for subject, predicate, value in triples:
        if isinstance(subject, ox.BlankNode):
            around.setdefault(subject, []).append(("says", predicate, value))
        if isinstance(value, ox.BlankNode):
            around.setdefault(value, []).append(("is said", predicate, subject))
    colours: dict[Term, int] = dict.fromkeys(around, 0)
    for _ in range(5):
        colours = {
            node: hash(
                tuple(sorted((way, str(p), str(colours.get(other, other))) for way, p, other in edges))
            )
            for node, edges in around.items()
        }
    return colours
