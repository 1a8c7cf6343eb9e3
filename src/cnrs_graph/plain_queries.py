"""Queries of SPARQL constraints that can be asked for all nodes at once: plainly built, and taken apart.

A constraint asks about one node, `$this`; asked without saying which, a query of a plain build gives the rows
of every node. What is not of that build is `UndecidedError`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import pyoxigraph as ox

from cnrs_graph.breaches import Messages, UndecidedError, messages_of
from cnrs_graph.shape_graph import Node, ShapeGraph, Text, iri
from cnrs_graph.terms import PREFIXES

_SH, _RDF, _RDFS, _OWL, _XSD = (PREFIXES[name] for name in ("sh", "rdf", "rdfs", "owl", "xsd"))
_STRING = f"{_XSD}string"

_TOKEN = re.compile(
    r"""
    (?P<space> (?: \s | \#[^\n\r]* )+ )
  | (?P<iri> <[^<>"{}|^`\\\x00-\x20]*> )
  | (?P<string> "(?:[^"\\\n]|\\.)*" | '(?:[^'\\\n]|\\.)*' )
  | (?P<variable> [?$][A-Za-z_]\w* )
  | (?P<name> (?:[A-Za-z][\w-]*)?:[A-Za-z0-9_][\w-]* | [A-Za-z][\w-]*: | : )
  | (?P<number> [0-9]+(?:\.[0-9]+)? )
  | (?P<word> [A-Za-z]+ )
  | (?P<mark> \^\^ | && | \|\| | != | <= | >= | [{}().;,/|^*+?!=<>-] )
    """,
    re.VERBOSE,
)
_GROUPS = frozenset(("SELECT", "DISTINCT", "WHERE", "OPTIONAL", "FILTER", "NOT", "EXISTS", "BIND", "UNION"))
_ENDS = frozenset(("GROUP", "BY", "HAVING"))
_SUMS = frozenset(("COUNT", "SUM", "MIN", "MAX"))
_FUNCTIONS = frozenset(
    (
        *(
            "AS",
            "IN",
            "NOT",
            "STR",
            "LANG",
            "REGEX",
            "REPLACE",
            "CONCAT",
            "COALESCE",
            "BOUND",
            "STRLEN",
            "DISTINCT",
        ),
        *("IF", "SUBSTR", "STRAFTER", "STRBEFORE", "ISNUMERIC", "FLOOR"),
        *(
            "STRSTARTS",
            "STRENDS",
            "CONTAINS",
            "LCASE",
            "UCASE",
            "ISIRI",
            "ISBLANK",
            "ISLITERAL",
            "TRUE",
            "FALSE",
        ),
    )
)
_COMPARISONS = frozenset(("=", "!=", "<", ">", "<=", ">="))
_CASTS = frozenset((f"{_XSD}decimal", f"{_XSD}integer"))
#: Patterns and texts that both engines read alike.
_PLAIN = re.compile(r"(?:[^\\]|\\\\[.^$|()\[\]{}*+?/sd-])*")
_OUTSIDE_WORDS = _GROUPS | _ENDS | {"A", "TRUE", "FALSE"}


class Owner(Protocol):
    """What a query has to know of the shape that it belongs to."""

    node: Node
    is_property: bool
    severity: Node
    messages: Messages
    path: Node | None
    queries: tuple[Node, ...]


@dataclass
class Query:
    """A constraint's query, taken apart as far as is needed to answer it for all nodes at once.

    `predicates` are those it may look at, None for all; `bound` says by variable which may give its values;
    "*" for any; `spelt` are the variables looked at as they are written, `weighed` those whose value counts,
    and `constants` the kinds of values they are compared with.
    """

    shape: Owner
    constraint: Node
    text: str
    messages: Messages
    predicates: frozenset[str] | None = frozenset()
    bound: dict[str, set[str]] = field(default_factory=dict)
    spelt: set[str] = field(default_factory=set)
    weighed: set[str] = field(default_factory=set)
    constants: set[str] = field(default_factory=set)
    uses: Counter[str] = field(default_factory=Counter)


def queries(graph: ShapeGraph, shape: Owner) -> list[Query]:
    """The SPARQL constraints of a shape.

    Raises: UndecidedError with the reason, when pySHACL must be asked.
    """
    return [each for node in shape.queries if (each := _query(graph, shape, node)) is not None]


def _query(graph: ShapeGraph, shape: Owner, node: Node) -> Query | None:
    selects = list(graph.objects(node, iri(f"{_SH}select")))
    if len(selects) != 1 or not isinstance(selects[0], Text) or selects[0].datatype:
        raise UndecidedError("sh:select is not one text")
    stopped = list(graph.objects(node, iri(f"{_SH}deactivated")))
    if stopped:
        raise UndecidedError("its SPARQL constraint may be switched off")
    prefixes = _prefixes(graph, node)
    text = str(selects[0])
    prologue = "".join(f"PREFIX {name}: <{namespace}>\n" for name, namespace in prefixes.items())
    query = Query(
        shape, node, f"{prologue}\n{text}", {**shape.messages, **messages_of(graph, node, "constraint")}
    )
    _Reader(query, prefixes).read(text)
    try:
        ox.Store().query(query.text)
    except (SyntaxError, ValueError) as error:
        raise UndecidedError("its query cannot be read") from error
    return query


def _prefixes(graph: ShapeGraph, node: Node) -> dict[str, str]:
    """The prefixes of a constraint. Source: SHACL, section 5.2.1, and what pySHACL makes of it."""
    declare = iri(f"{_SH}declare")
    ontologies = set(graph.subjects(iri(f"{_RDF}type"), iri(f"{_OWL}Ontology")))
    everywhere = {each for ontology in ontologies for each in graph.objects(ontology, declare)}
    prefixes = {"rdf": _RDF, "rdfs": _RDFS, "owl": _OWL}
    for source in graph.objects(node, iri(f"{_SH}prefixes")):
        own = set(graph.objects(source, declare))
        for each in own if own and source in ontologies else own | everywhere:
            said = [list(graph.objects(each, iri(f"{_SH}{name}"))) for name in ("prefix", "namespace")]
            if not all(len(values) == 1 and isinstance(values[0], Text) for values in said):
                raise UndecidedError("a prefix is not declared once")
            name, namespace = str(said[0][0]), str(said[1][0])
            if prefixes.get(name, namespace) != namespace and name not in ("rdf", "rdfs", "owl"):
                raise UndecidedError("a prefix is declared twice")
            prefixes[name] = namespace
    return prefixes


@dataclass
class _Group:
    """A `{ … }` while it is read: what comes next in it, and whether `$this` has been bound in it."""

    kind: str
    awaits: str = "subject"
    subject: str = ""
    verbs: set[str] = field(default_factory=set)
    backward: bool = False
    binds_this: bool = False
    is_select: bool = False
    sums: bool = False
    is_alternative: bool = False
    parts_bind: bool = False


class _Reader:
    """Reads a query once, token by token, and refuses what is not of the plain build."""

    def __init__(self, query: Query, prefixes: Mapping[str, str]) -> None:
        self.query, self.prefixes = query, prefixes
        self.names: set[str] = set()
        self.verbs: list[tuple[_Group, str]] = []
        self.limits: dict[tuple[int, str], set[str]] = {}
        self.groups: list[_Group] = []
        self.opens_select = self.sums = False

    def read(self, text: str) -> None:
        """Take in a whole query.

        Raises: UndecidedError.
        """
        tokens = list(_tokens(text))
        if not tokens or tokens[0][1].upper() != "SELECT":
            raise UndecidedError("its query does not begin with SELECT")
        at = 0
        while at < len(tokens):
            at = self._step(tokens, at)
        if self.groups:
            raise UndecidedError("its query has a bracket too few")
        given = {f"?{name}": self.limits.get((id(group), name), {"*"}) for group, name in self.verbs}
        for names in self.query.bound.values():
            for name in names & given.keys():
                names.remove(name)
                names.update(given[name])
        open_ = any("*" in names for names in given.values())
        self.query.predicates = None if open_ else frozenset(self.names)

    def _step(self, tokens: list[tuple[str, str]], at: int) -> int:
        """Read on from a token; the number of the next one."""
        kind, text = tokens[at]
        word = text.upper()
        if kind == "word" and word == "SELECT":
            return self._projection(tokens, at + 1)
        if kind == "word" and word in _ENDS:
            return self._ending(tokens, at)
        if text == "(":
            end = _closing(tokens, at)
            self._parenthesis(tokens[at + 1 : end])
            return end + 1
        if text == "{":
            self._open(tokens, at)
        elif text == "}":
            self._close(tokens[at + 1][1] if at + 1 < len(tokens) else "")
        elif kind == "word" and word not in _OUTSIDE_WORDS:
            raise UndecidedError(f"its query says {word}")
        elif kind == "word" and word not in ("A", "TRUE", "FALSE"):
            if self.groups and word != "WHERE":
                self.groups[-1].awaits = "subject"
        elif self.groups:
            self._triple(kind, text)
        return at + 1

    def _projection(self, tokens: list[tuple[str, str]], at: int) -> int:
        """SELECT … up to its group: `$this` must be given, sums need their GROUP BY."""
        end = at
        while end < len(tokens) and tokens[end][1] != "{" and tokens[end][1].upper() != "WHERE":
            end += 1
        clause = tokens[at:end]
        if not any(_is_this(text) for kind, text in clause if kind == "variable"):
            raise UndecidedError("its query does not give $this")
        if any(text == "*" for _, text in clause):
            raise UndecidedError("its query says SELECT *")
        self.sums = any(kind == "word" and text.upper() in _SUMS for kind, text in clause)
        self.query.uses.update(text[1:] for kind, text in clause if kind == "variable")
        start = 0
        while start < len(clause):
            kind, text = clause[start]
            if kind != "variable" and text != "(" and text.upper() != "DISTINCT":
                raise UndecidedError(f"its query says {text}")
            stop = _closing(clause, start) if text == "(" else start
            self._expression(clause[start + 1 : stop])
            start = stop + 1
        self.opens_select = True
        return end

    def _ending(self, tokens: list[tuple[str, str]], at: int) -> int:
        """GROUP BY …, HAVING (…) after a group."""
        if tokens[at][1].upper() == "GROUP":
            end, named = at + 2, []
            while end < len(tokens) and tokens[end][0] == "variable":
                named.append(tokens[end][1])
                end += 1
            if not any(map(_is_this, named)):
                raise UndecidedError("its query groups by something else than $this")
            return end
        return at + 1

    def _open(self, tokens: list[tuple[str, str]], at: int) -> None:
        before = tokens[at - 1][1].upper() if at else ""
        self.groups.append(
            _Group(
                before if before in ("OPTIONAL", "EXISTS") else "plain",
                is_select=self.opens_select,
                sums=self.sums,
                is_alternative=before == "UNION",
            )
        )
        self.opens_select = self.sums = False

    def _close(self, after: str) -> None:
        if not self.groups:
            raise UndecidedError("its query has a bracket too many")
        group = self.groups.pop()
        if group.is_select and not group.binds_this:
            raise UndecidedError("its query does not bind $this by a statement")
        if group.is_select and (group.sums or after.upper() == "HAVING") and after.upper() != "GROUP":
            raise UndecidedError("its query counts over more than one node")
        if self.groups:
            parent = self.groups[-1]
            parent.awaits = "subject"
            if group.kind == "plain":
                parent.parts_bind = group.binds_this and (parent.parts_bind or not group.is_alternative)
                parent.binds_this |= parent.parts_bind and after.upper() != "UNION"

    def _parenthesis(self, inside: list[tuple[str, str]]) -> None:
        if self.groups and self.groups[-1].awaits == "verb":
            self._path(inside)
            self.groups[-1].awaits = "object"
        else:
            self._expression(inside)
            self._limit(inside)

    def _limit(self, inside: list[tuple[str, str]]) -> None:
        """FILTER(?property IN (…)) says which properties a variable can be."""
        if self.groups and len(inside) > 4 and inside[1][1].upper() == "IN" and inside[0][0] == "variable":
            items = inside[3:-1]
            if (
                inside[2][1] == "("
                and inside[-1][1] == ")"
                and all(kind in ("name", "iri") or text == "," for kind, text in items)
            ):
                named = {self._name(kind, text) for kind, text in items if text != ","}
                self.limits[id(self.groups[-1]), inside[0][1][1:]] = named

    def _path(self, inside: list[tuple[str, str]]) -> None:
        for kind, text in inside:
            if kind in ("name", "iri") or text == "a":
                self.groups[-1].verbs.add(self._name(kind, text))
            elif text == "^":
                self.groups[-1].backward = True
            elif text not in ("/", "|", "*", "+", "?", "(", ")"):
                raise UndecidedError("its query has a path of another build")

    def _expression(self, inside: list[tuple[str, str]]) -> None:
        """What stands in brackets: which variables are looked at, and how."""
        for at, (kind, text) in enumerate(inside):
            after = inside[at + 1][1] if at + 1 < len(inside) else ""
            if kind == "word" and text.upper() not in _FUNCTIONS | _SUMS | _GROUPS:
                raise UndecidedError(f"its query says {text.upper()}")
            if (kind == "word" and text.upper() in ("SELECT", "EXISTS")) or text in ("{", "}"):
                raise UndecidedError("its query has a group inside an expression")
            if kind in ("name", "iri"):
                name = self._name(kind, text)
                if after == "(" and name not in _CASTS:
                    raise UndecidedError("its query calls a function of another kind")
            if kind == "string" and ("(?" in text or not _PLAIN.fullmatch(text)):
                raise UndecidedError("its query has a pattern that engines read differently")
            if kind == "variable":
                self._looked_at(inside, at)
            before = inside[at - 1][1] if at else ""
            if kind == "number" or (kind == "string" and {before, after} & _COMPARISONS):
                self.query.constants.add("number" if kind == "number" else _STRING)

    def _looked_at(self, inside: list[tuple[str, str]], at: int) -> None:
        variable = inside[at][1][1:]
        self.query.uses[variable] += 1
        if variable == "this" and self.groups and not self._this_is_bound():
            raise UndecidedError("its query looks at $this where it is not bound")
        function = inside[at - 2][1].upper() if at > 1 and inside[at - 1][1] == "(" else ""
        if function == "STR":
            self.query.spelt.add(variable)
        elif function not in ("BOUND", "LANG") and not (
            at and inside[at - 1][1].upper() in ("AS", "DISTINCT")
        ):
            self.query.weighed.add(variable)

    def _this_is_bound(self) -> bool:
        for group in reversed(self.groups):
            if group.binds_this:
                return True
            if group.kind == "plain":
                return False
        return False

    def _triple(self, kind: str, text: str) -> None:
        """A token of a statement: subject, verb, object, and the marks between statements."""
        group = self.groups[-1]
        if text == ".":
            group.awaits = "subject"
        elif text == ";":
            group.awaits, group.verbs, group.backward = "verb", set(), False
        elif text == ",":
            group.awaits = "object"
        elif group.awaits == "verb":
            self._verb(group, kind, text)
        elif group.awaits == "object":
            self._object(group, kind, text)
        elif kind in ("variable", "name", "iri"):
            group.subject = text if kind == "variable" else ""
            group.awaits, group.verbs, group.backward = "verb", set(), False
            if kind != "variable":
                self._name(kind, text)
        else:
            raise UndecidedError("its query is of another build")

    def _object(self, group: _Group, kind: str, text: str) -> None:
        if text in ("/", "|", "^", "*", "+", "?"):
            group.awaits = "verb" if text in ("/", "|", "^") else "object"
            return
        if kind in ("number", "word"):
            raise UndecidedError("its query has a number or a truth value in a statement")
        self._binds(group, group.subject, group.verbs if group.backward else set())
        self._binds(group, text if kind == "variable" else "", group.verbs)
        if kind in ("name", "iri"):
            self._name(kind, text)
        group.awaits = "end"

    def _verb(self, group: _Group, kind: str, text: str) -> None:
        if kind == "variable":
            if _is_this(text):
                raise UndecidedError("its query has $this for a property")
            group.verbs.add(f"?{text[1:]}")
            self.verbs.append((group, text[1:]))
        elif kind in ("name", "iri") or text == "a":
            group.verbs.add(self._name(kind, text))
        elif text == "^":
            group.backward = True
        else:
            raise UndecidedError("its query has a path of another build")
        group.awaits = "verb" if text == "^" else "object"

    def _binds(self, group: _Group, text: str, verbs: set[str]) -> None:
        """A variable takes its values from properties; a subject does from those walked backwards."""
        if text:
            self.query.bound.setdefault(text[1:], set()).update(verbs)
            self.query.uses[text[1:]] += 1
            if _is_this(text) and group.kind != "plain" and not self._this_is_bound():
                raise UndecidedError("its query has $this in a part before it is bound")
            group.binds_this |= _is_this(text)

    def _name(self, kind: str, text: str) -> str:
        if text == "a":
            name = f"{_RDF}type"
        elif kind == "iri":
            name = text[1:-1]
        else:
            prefix, _, local = text.partition(":")
            if prefix not in self.prefixes:
                raise UndecidedError(f"its query uses a prefix that is not declared, {prefix}:")
            name = self.prefixes[prefix] + local
        self.names.add(name)
        return name


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    end = 0
    for match in _TOKEN.finditer(text):
        if match.start() != end:
            break
        end = match.end()
        if match.lastgroup and match.lastgroup != "space":
            yield match.lastgroup, match[0]
    if end != len(text):
        raise UndecidedError("its query is of another build")


def _closing(tokens: list[tuple[str, str]], at: int) -> int:
    depth = 0
    for end in range(at, len(tokens)):
        depth += {"(": 1, ")": -1}.get(tokens[end][1], 0)
        if not depth:
            return end
    raise UndecidedError("its query has a bracket too few")


def _is_this(text: str) -> bool:
    return text[1:] == "this"
