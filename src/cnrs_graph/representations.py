"""Statements as bytes in a chosen format, the same bytes for the same statements, nothing rewritten."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import pyoxigraph as ox

from cnrs_graph.context import LINK, Context
from cnrs_graph.dataset import graph_name
from cnrs_graph.errors import NotAcceptableError
from cnrs_graph.formats import GRAPH_FORMATS, JSONLD, NQUADS, NTRIPLES, RDFXML, TRIG, TURTLE, Format
from cnrs_graph.terms import PREFIXES, Term, expand

_XSD_STRING = expand("xsd:string")
_TYPE, _FIRST, _REST, _NIL = (expand(f"rdf:{name}") for name in ("type", "first", "rest", "nil"))
#: The spellings that every reader of Turtle gives back as they are when they stand bare.
_BARE: Mapping[str, re.Pattern[str]] = {
    expand("xsd:integer"): re.compile(r"0|-?[1-9][0-9]*"),
    expand("xsd:decimal"): re.compile(r"-?(?:0|[1-9][0-9]*)\.(?:0|[0-9]*[1-9])"),
    expand("xsd:boolean"): re.compile(r"true|false"),
}
_LOCAL = re.compile(r"[A-Za-z_0-9][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+)*")
_PREFIX = re.compile(r"[a-z][a-z0-9-]*")
#: The end of an IRI that every edition of XML takes for a name; before it stands a sign, so that nobody
#: splits elsewhere.
_LETTER = "A-Z_a-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u00ff"
_XML_NAME = re.compile(rf"[!-,/:-@\[-^`{{-~][.0-9-]*[{_LETTER}][{_LETTER}.0-9-]*$")
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_NAMES_FIRST = tuple(
    expand(curie)
    for curie in ("skos:prefLabel", "rdfs:label", "dcterms:title", "skos:altLabel", "skos:definition")
)


def graph_bytes(
    quads: Iterable[ox.Quad],
    fmt: Format,
    *,
    base: str | None = None,
    first: str | None = None,
    context: Context | None = None,
) -> bytes:
    """Write statements in a format; the subject *first* leads, the others follow sorted.

    With a *base*, IRIs below it are shortened too, folder by folder. With a *context*, JSON-LD is written in
    its words, and carries as much of it as it uses: nobody has to fetch anything to read it.

    Graphs: names are kept by TriG and N-Quads and left behind by the other formats.
    Raises: NotAcceptableError when RDF/XML cannot hold a statement.
    """
    statements = _settled(quads, keep_graphs=fmt.keeps_graphs)
    if fmt is JSONLD and context is not None:
        return _indented(_in_words(statements, context, first))
    prefixes = PREFIXES if base is None else document_prefixes(base, statements)
    return _WRITERS[fmt](statements, prefixes, first)


def document_prefixes(base: str, quads: Iterable[ox.Quad]) -> dict[str, str]:
    """The prefixes for a document: those everybody knows, and one for each folder of ours that it names.

    >>> name = ox.NamedNode("https://example.org/id/country/can")
    >>> document_prefixes("https://example.org/", [ox.Quad(name, name, name)])["country"]
    'https://example.org/id/country/'
    """
    prefixes = {**PREFIXES, "cnrsg": f"{base}ontology#", "shp": f"{base}shapes#"}
    for iri in sorted(_iris(quads)):
        if iri.startswith((f"{base}id/", f"{base}vocab/")):
            root, folder, _ = (
                iri[len(base) :].split("/", 2) if iri.count("/", len(base)) > 1 else ("", "", "")
            )
            if _PREFIX.fullmatch(folder) and folder not in prefixes:
                prefixes[folder] = f"{base}{root}/{folder}/"
    return prefixes


def _iris(quads: Iterable[ox.Quad]) -> set[str]:
    found = set()
    for quad in quads:
        found |= {
            term.value
            for term in (quad.subject, quad.predicate, quad.object)
            if isinstance(term, ox.NamedNode)
        }
        if isinstance(quad.object, ox.Literal):
            found.add(quad.object.datatype.value)
    return found


def _settled(quads: Iterable[ox.Quad], *, keep_graphs: bool) -> list[ox.Quad]:
    """Each statement once, in a fixed order, blank nodes named by what is said of them."""
    default = ox.DefaultGraph()
    kept = {
        quad if keep_graphs else ox.Quad(quad.subject, quad.predicate, quad.object, default) for quad in quads
    }
    if any(isinstance(term, ox.BlankNode) for quad in kept for term in (quad.subject, quad.object)):
        dataset = ox.Dataset(kept)
        dataset.canonicalize(ox.CanonicalizationAlgorithm.RDFC_1_0)
        kept = set(dataset)
    return sorted(kept, key=str)


def _lines(form: ox.RdfFormat) -> Callable[..., bytes]:
    def write(quads: Sequence[ox.Quad], _prefixes: Mapping[str, str], _first: str | None) -> bytes:
        statements: Iterable[Any] = quads if form == ox.RdfFormat.N_QUADS else (quad.triple for quad in quads)
        return b"".join(sorted((ox.serialize(statements, format=form) or b"").splitlines(keepends=True)))

    return write


def _rdf_xml(quads: Sequence[ox.Quad], prefixes: Mapping[str, str], _first: str | None) -> bytes:
    """Write RDF/XML with the engine, guarding what it gets wrong.

    Raises: NotAcceptableError for a character or a property name that XML cannot hold.
    """
    for quad in quads:
        value = quad.object.value if isinstance(quad.object, ox.Literal) else ""
        if _NOT_XML.search(value):
            raise _not_in_xml("a text holds a control character, which XML has no way to write")
        name = _XML_NAME.search(quad.predicate.value)
        if name is None:
            raise _not_in_xml(f"the property <{quad.predicate.value}> has no XML name")
    used = {quad.predicate.value for quad in quads}
    declared = {p: ns for p, ns in prefixes.items() if any(iri.startswith(ns) for iri in used)}
    written = (
        ox.serialize((quad.triple for quad in quads), format=ox.RdfFormat.RDF_XML, prefixes=declared) or b""
    )
    # The engine leaves carriage returns raw, and a reader of XML would take them for line feeds.
    return written.replace(b"\r", b"&#xD;")


def _not_in_xml(reason: str) -> NotAcceptableError:
    offered = [fmt.media_type for fmt in GRAPH_FORMATS if fmt is not RDFXML]
    return NotAcceptableError(f"{RDFXML.media_type} ({reason})", offered)


def _json_ld(quads: Sequence[ox.Quad], prefixes: Mapping[str, str], first: str | None) -> bytes:
    """Write compacted JSON-LD: a context of prefixes and one object for each subject."""
    names = _Names(quads, prefixes)
    nodes: dict[str, dict[str, Any]] = {}
    for subject, statements in _by_subject(quads, first):
        node: dict[str, Any] = {"@id": names.json_id(subject)}
        for predicate, values in statements:
            if predicate == _TYPE and all(isinstance(value, ox.NamedNode) for value in values):
                key, entries = "@type", [names.json_id(value) for value in values]
            else:
                key, entries = names.json_key(predicate), [names.json_value(value) for value in values]
            node[key] = entries[0] if len(entries) == 1 else entries
        nodes[str(subject)] = node
    context = {prefix: names.namespaces[prefix] for prefix in sorted(names.used)}
    return _indented({"@context": context, "@graph": list(nodes.values())})


def embedded(quads: Iterable[ox.Quad], context: Context, *, first: str) -> str:
    """Statements as JSON-LD that can stand inside a page: no text in it ends the element that holds it.

    Source: JSON-LD 1.1, section 7 (embedding in HTML).
    """
    tree = _in_words(_settled(quads, keep_graphs=False), context, first)
    text = json.dumps(tree, ensure_ascii=False, separators=(",", ":"))
    return text.translate({ord(character): f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"})


def _indented(tree: object) -> bytes:
    return f"{json.dumps(tree, ensure_ascii=False, indent=2)}\n".encode()


def _in_words(quads: Sequence[ox.Quad], context: Context, first: str | None) -> dict[str, Any]:
    """JSON-LD in the words of a context: things by their whole IRIs, properties and classes by name."""
    words = _Words(quads, context)
    nodes = []
    for subject, statements in _by_subject(quads, first):
        node: dict[str, Any] = {LINK: _whole(subject)}
        for predicate, values in statements:
            if predicate == _TYPE and all(isinstance(value, ox.NamedNode) for value in values):
                key, entries = "@type", [words.key(_value(value)) for value in values]
            else:
                key, entries = words.key(predicate), [words.value(predicate, value) for value in values]
            node[key] = entries[0] if len(entries) == 1 else entries
        nodes.append(node)
    used = {name: context.definitions[name] for name in context.definitions if name in words.used}
    return {"@context": used, **nodes[0]} if len(nodes) == 1 else {"@context": used, "@graph": nodes}


def _whole(term: Term) -> str:
    return term.value if isinstance(term, ox.NamedNode) else str(term)


class _Words:
    """How a document in the words of a context is written; remembers which of them it used."""

    def __init__(self, quads: Sequence[ox.Quad], context: Context) -> None:
        # A word spelt like a scheme in use would change what an IRI says.
        schemes = {iri.partition(":")[0] for iri in _iris(quads)}
        self._named = {
            iri: entry for iri, entry in context.names.items() if entry[0].partition(":")[0] not in schemes
        }
        self._prefixes = [
            (prefix, namespace)
            for prefix, namespace in context.definitions.items()
            if isinstance(namespace, str) and namespace.endswith(("#", "/")) and prefix not in schemes
        ]
        self.used: set[str] = set()

    def key(self, iri: str) -> str:
        """A property or a class: its name, else a CURIE, else the IRI."""
        named = self._named.get(iri)
        if named is not None:
            # A CURIE that is a word of its own needs its prefix beside it.
            self.used |= {named[0], *named[0].split(":")[:-1]}
            return named[0]
        for prefix, namespace in self._prefixes:
            if iri.startswith(namespace) and _LOCAL.fullmatch(iri[len(namespace) :]):
                self.used.add(prefix)
                return f"{prefix}:{iri[len(namespace) :]}"
        return iri

    def value(self, predicate: str, term: Term) -> Any:
        """A value; one of the type that the context names is only its text."""
        expected = self._named.get(predicate, ("", ""))[1]
        if not isinstance(term, ox.Literal):
            return _whole(term) if expected == LINK else {LINK: _whole(term)}
        if term.language:
            value = {"@language": term.language, "@value": term.value}
            return {**value, "@direction": str(term.direction)} if term.direction else value
        if term.datatype.value == expected:
            return term.value
        if term.datatype.value == _XSD_STRING:
            return {"@value": term.value} if expected else term.value
        return {"@type": self.key(term.datatype.value), "@value": term.value}


def _turtle(quads: Sequence[ox.Quad], prefixes: Mapping[str, str], first: str | None) -> bytes:
    names = _Names(quads, prefixes)
    blocks = _Blocks(names, quads).write(first)
    return "\n".join([names.declarations(), *blocks]).encode()


def _trig(quads: Sequence[ox.Quad], prefixes: Mapping[str, str], first: str | None) -> bytes:
    names = _Names(quads, prefixes)
    graphs: dict[str, list[ox.Quad]] = defaultdict(list)
    for quad in quads:
        graphs[graph_name(quad)].append(quad)
    # A blank node that stands in several graphs must keep a label in each.
    everywhere = Counter(
        node for held in graphs.values() for node in {t for q in held for t in (q.subject, q.object)}
    )
    shared = {node for node, count in everywhere.items() if isinstance(node, ox.BlankNode) and count > 1}
    parts = []
    for graph, held in sorted(graphs.items()):
        blocks = "\n".join(_Blocks(names, held, labelled=shared).write(first))
        parts.append(f"GRAPH {names.iri(graph)} {{\n{blocks}}}\n" if graph else blocks)
    return "\n".join([names.declarations(), *parts]).encode()


def _by_subject(
    quads: Iterable[ox.Quad], first: str | None
) -> list[tuple[Term, list[tuple[str, list[Term]]]]]:
    """The statements by subject and property: *first* first; types, then names, then the rest."""
    table: dict[Term, dict[str, list[Term]]] = defaultdict(lambda: defaultdict(list))
    for quad in quads:
        table[quad.subject][quad.predicate.value].append(quad.object)
    subjects = sorted(table, key=lambda s: (_value(s) != first, isinstance(s, ox.BlankNode), str(s)))
    return [(subject, sorted(table[subject].items(), key=_rank)) for subject in subjects]


def _rank(entry: tuple[str, object]) -> tuple[int, str]:
    predicate = entry[0]
    if predicate == _TYPE:
        return 0, ""
    return (1 + _NAMES_FIRST.index(predicate), "") if predicate in _NAMES_FIRST else (99, predicate)


def _value(term: Term) -> str:
    return term.value if isinstance(term, ox.NamedNode) else ""


class _Names:
    """How IRIs are shortened in one document; remembers which prefixes it used."""

    def __init__(self, quads: Sequence[ox.Quad], prefixes: Mapping[str, str]) -> None:
        iris = _iris(quads)
        # geo:48.3,4.1 is an IRI too: a prefix spelt like a scheme in use would change what JSON-LD says.
        schemes = {iri.partition(":")[0] for iri in iris}
        self.namespaces = {prefix: iri for prefix, iri in prefixes.items() if prefix not in schemes}
        longest = sorted(self.namespaces.items(), key=lambda entry: -len(entry[1]))
        self._short: dict[str, str] = {}
        self.used: set[str] = set()
        for iri in iris:
            for prefix, namespace in longest:
                if iri.startswith(namespace) and _LOCAL.fullmatch(iri[len(namespace) :]):
                    self._short[iri] = f"{prefix}:{iri[len(namespace) :]}"
                    break

    def iri(self, iri: str) -> str:
        """An IRI in Turtle."""
        short = self._short.get(iri)
        if short is None:
            return f"<{iri}>"
        self.used.add(short.partition(":")[0])
        return short

    def term(self, term: Term) -> str:
        """A term in Turtle."""
        if isinstance(term, ox.NamedNode):
            return self.iri(term.value)
        if isinstance(term, ox.Literal):
            return self._literal(term)
        return str(term)

    def declarations(self) -> str:
        """The prefix lines for what has been written so far."""
        return "".join(f"@prefix {prefix}: <{self.namespaces[prefix]}> .\n" for prefix in sorted(self.used))

    def _literal(self, literal: ox.Literal) -> str:
        datatype = literal.datatype.value
        bare = _BARE.get(datatype)
        if bare is not None and bare.fullmatch(literal.value):
            return literal.value
        if literal.language:
            return f"{_quoted(literal.value)}@{str(literal).rpartition('@')[2]}"
        if datatype == _XSD_STRING:
            return _quoted(literal.value)
        return f"{_quoted(literal.value)}^^{self.iri(datatype)}"

    def json_id(self, term: Term) -> str:
        """A node in JSON-LD."""
        return self.json_key(term.value) if isinstance(term, ox.NamedNode) else str(term)

    def json_key(self, iri: str) -> str:
        """An IRI in JSON-LD."""
        short = self.iri(iri)
        return iri if short.startswith("<") else short

    def json_value(self, term: Term) -> Any:
        """A value in JSON-LD: numbers stay texts with a datatype, so that they keep their spelling."""
        if not isinstance(term, ox.Literal):
            return {"@id": self.json_id(term)}
        if term.language:
            value = {"@language": term.language, "@value": term.value}
            return {**value, "@direction": str(term.direction)} if term.direction else value
        if term.datatype.value == _XSD_STRING:
            return term.value
        return {"@type": self.json_key(term.datatype.value), "@value": term.value}


class _Blocks:
    """The subjects of one graph as blocks of Turtle, blank nodes nested where they are used once."""

    def __init__(self, names: _Names, quads: Sequence[ox.Quad], *, labelled: Collection[Term] = ()) -> None:
        self._names = names
        self._quads = quads
        self._about = dict(_by_subject(quads, None))
        uses = Counter(quad.object for quad in quads if isinstance(quad.object, ox.BlankNode))
        once: set[Term] = {node for node, count in uses.items() if count == 1 and node not in labelled}
        self._nested = once - self._circular(once)

    def write(self, first: str | None) -> list[str]:
        """One block for each subject that is not nested in another."""
        return [
            f"{self._names.term(subject)}{self._statements(statements, 1)} .\n"
            for subject, statements in _by_subject(self._quads, first)
            if subject not in self._nested
        ]

    def _circular(self, once: Collection[Term]) -> set[Term]:
        """Blank nodes used once that are reached only from themselves."""
        owner = {quad.object: quad.subject for quad in self._quads if quad.object in once}
        circular = set()
        for node in once:
            seen, step = {node}, owner[node]
            while step in owner and step not in seen:
                seen.add(step)
                step = owner[step]
            if step == node:
                circular.add(node)
        return circular

    def _statements(self, statements: Sequence[tuple[str, list[Term]]], depth: int) -> str:
        indent = "    " * depth
        written = []
        for predicate, values in statements:
            word = "a" if predicate == _TYPE else self._names.iri(predicate)
            objects = [self._object(value, depth + 1) for value in values]
            glue = " , " if sum(map(len, objects)) < 80 else f" ,\n{indent}    "
            written.append(f"{word} {glue.join(objects)}")
        lead = " " if depth == 1 and statements and statements[0][0] == _TYPE else f"\n{indent}"
        return lead + f" ;\n{indent}".join(written)

    def _object(self, term: Term, depth: int) -> str:
        if term not in self._nested:
            return self._names.term(term)
        members = self._members(term)
        if members is not None:
            return f"( {' '.join(self._object(member, depth) for member in members)} )"
        statements = self._about.get(term, [])
        if not statements:
            return "[]"
        return f"[{self._statements(statements, depth)}\n{'    ' * (depth - 1)}]"

    def _members(self, term: Term) -> list[Term] | None:
        """The members of a well-formed list whose cells are nested; None for anything else."""
        members = []
        while term != ox.NamedNode(_NIL):
            cell = dict(self._about.get(term, []))
            if term not in self._nested or cell.keys() != {_FIRST, _REST}:
                return None
            if len(cell[_FIRST]) != 1 or len(cell[_REST]) != 1:
                return None
            members.append(cell[_FIRST][0])
            term = cell[_REST][0]
        return members


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\r", "\\r").replace("\t", "\\t")
    escaped = re.sub("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", lambda match: f"\\u{ord(match[0]):04X}", escaped)
    return f'"""{escaped}"""' if "\n" in escaped else f'"{escaped}"'


_WRITERS: Mapping[Format, Callable[[Sequence[ox.Quad], Mapping[str, str], str | None], bytes]] = {
    TURTLE: _turtle,
    NTRIPLES: _lines(ox.RdfFormat.N_TRIPLES),
    JSONLD: _json_ld,
    RDFXML: _rdf_xml,
    TRIG: _trig,
    NQUADS: _lines(ox.RdfFormat.N_QUADS),
}
