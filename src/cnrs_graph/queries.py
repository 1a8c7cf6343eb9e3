"""A saved query: its text, front matter and safe values for its parameters; what any query asks for."""

from __future__ import annotations

import datetime
import difflib
import re
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias
from urllib.parse import urljoin

from cnrs_graph.errors import (
    ParameterError,
    Place,
    QueryError,
    RefusedQueryError,
    SourceError,
    UnknownQueryError,
)
from cnrs_graph.terms import PREFIXES, absolute_iri, expand

if TYPE_CHECKING:
    from lark import Lark, Token, Tree

    Node: TypeAlias = Tree[Token] | Token

#: The engine's stack ends at about a thousand nested brackets; see docs/explanation/architecture.md.
DEEPEST = 200
#: A chain (a + b + c, UNION, OPTIONAL …) nests in the engine too, at three to ten thousand links.
LINKS_PER_LEVEL = 10
REMEMBERED_CHARACTERS = 10_000
#: A line longer than this is not shown: nobody finds a caret under it.
LONGEST_EXCERPT = 500


# ----------------------------------------------------------------------------------------------- facts


class Reach(NamedTuple):
    """A place where a query asks for something beyond the default graph; line and column count from 1."""

    clause: str
    iri: str
    line: int
    column: int


@dataclass(frozen=True)
class QueryFacts:
    """What a query asks for, known before it is run.

    *reaches_out* is SERVICE anywhere; *dataset* and *named* are the graphs of FROM and FROM NAMED; *reaches*
    says where each of the three stands. *variables* are the columns of a SELECT, in order of appearance.
    """

    form: str
    variables: tuple[str, ...]
    reaches_out: bool
    dataset: tuple[str, ...]
    named: tuple[str, ...]
    depth: int
    reaches: tuple[Reach, ...] = ()


def inspect(text: str) -> QueryFacts:
    """Read a query and say what it asks for.

    >>> inspect("SELECT ?lab WHERE { ?lab ?p ?o }").variables
    ('lab',)

    Raises: QueryError with line, column, excerpt and hint if it is no SPARQL 1.1 query or nests too deeply;
    RefusedQueryError if it is an update.
    Source: SPARQL 1.1 Query Language, section 19; the grammar is in sparql.lark.
    """
    return _remembered(text) if len(text) <= REMEMBERED_CHARACTERS else _read(text)


def refuse_reaching_out(facts: QueryFacts, known_graphs: Collection[str]) -> None:
    """Refuse a query that would leave this process: SERVICE, or FROM a graph that is not held here.

    Raises: RefusedQueryError naming the first such clause and its place.
    """
    for reach in facts.reaches:
        if reach.clause == "SERVICE":
            raise RefusedQueryError(
                f"SERVICE {reach.iri} would ask another endpoint; queries here stay inside this process",
                line=reach.line,
                column=reach.column,
                hint="ask the other endpoint yourself and join the answers, or start from the dump",
            )
        if reach.iri not in known_graphs:
            raise RefusedQueryError(
                f"{reach.clause} <{reach.iri}> is not a graph of this endpoint, and nothing is fetched",
                line=reach.line,
                column=reach.column,
                hint="SELECT DISTINCT ?g WHERE { GRAPH ?g { ?s ?p ?o } } lists the graphs",
            )


@lru_cache(maxsize=256)
def _remembered(text: str) -> QueryFacts:
    return _read(text)


def _read(text: str) -> QueryFacts:
    source = _expand_escapes(text)
    tree, scan = _parse(source)
    facts = _facts(tree, source, scan)
    return replace(facts, depth=scan.depth)


# ---------------------------------------------------------------------------------------------- source


@dataclass(frozen=True)
class _Source:
    """A query as it was sent, the same with its escapes expanded, and the way back to the first."""

    sent: str
    expanded: str
    starts: tuple[int, ...] = ()
    shifts: tuple[int, ...] = ()

    @cached_property
    def line_starts(self) -> list[int]:
        return [0, *(match.end() for match in re.finditer(r"\r\n|\r|\n", self.sent))]

    def place(self, position: int) -> tuple[int, int]:
        """Line and column, from 1, in the text as it was sent, of a position in the expanded text."""
        step = bisect_right(self.starts, position) - 1
        sent = position + (self.shifts[step] if step >= 0 else 0)
        line = bisect_right(self.line_starts, sent)
        return line, sent - self.line_starts[line - 1] + 1

    def error(
        self, position: int, reason: str, hint: str | None = None, kind: type[QueryError] = QueryError
    ) -> QueryError:
        """Make the error that points at a position of the expanded text."""
        line, column = self.place(position)
        start = self.line_starts[line - 1]
        end = self.line_starts[line] if line < len(self.line_starts) else len(self.sent)
        excerpt = self.sent[start:end].rstrip("\r\n").replace("\t", " ")
        # A tab became one blank, so that the caret stands under the character it means.
        shown = excerpt if len(excerpt) <= LONGEST_EXCERPT else None
        return kind(reason, line=line, column=column, excerpt=shown, hint=hint)


_ESCAPE = re.compile(r"\\\\|\\u([0-9A-Fa-f]{4})|\\U([0-9A-Fa-f]{8})")
_MARKS = frozenset("\"'\\<>{}|^`") | {chr(code) for code in range(0x21)}


def _expand_escapes(text: str) -> _Source:
    r"""Replace \uXXXX and \UXXXXXXXX by the character they stand for, and remember where.

    The Recommendation expands them before anything else is read, the engine only inside strings and IRIs. The
    two agree on every character but those that end a string, an IRI or a comment, so these are refused as
    escapes: otherwise "\u0022" could hide a SERVICE from this reader and show it to the engine.

    Source: SPARQL 1.1 Query Language, section 19.2.
    """
    pieces: list[str] = []
    starts: list[int] = []
    shifts: list[int] = []
    done = length = 0
    for match in _ESCAPE.finditer(text):
        digits = match[1] or match[2]
        if digits is None:
            continue
        code = int(digits, 16)
        if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF or chr(code) in _MARKS:
            wrong = (
                "stands for no character"
                if code > 0x7F
                else "stands for a character that is a mark in SPARQL"
            )
            hint = "write the character itself, or \\\" \\' \\\\ \\n \\r \\t inside a string"
            raise _Source(text, text).error(match.start(), f"the escape {match[0]} {wrong}", hint)
        piece = text[done : match.start()] + chr(code)
        pieces.append(piece)
        length += len(piece)
        done = match.end()
        starts.append(length)
        shifts.append(done - length)
    pieces.append(text[done:])
    return _Source(text, "".join(pieces), tuple(starts), tuple(shifts))


# --------------------------------------------------------------------------------------------- parsing


@lru_cache(maxsize=1)
def _parser() -> Lark:
    # Imported here: a command that never reads a query should not wait for the parser.
    from lark import Lark

    grammar = files("cnrs_graph").joinpath("sparql.lark").read_text(encoding="utf-8")
    return Lark(grammar, parser="lalr", lexer="contextual", start="unit", maybe_placeholders=False)


_OPENING = {"{": "}", "(": ")", "[": "]"}
_CLOSING = {mark: opening for opening, mark in _OPENING.items()}
_LINKS = frozenset(
    [
        "+",
        "-",
        "*",
        "/",
        "|",
        "||",
        "&&",
        "UNION",
        "OPTIONAL",
        "MINUS",
        "FILTER",
        "BIND",
        "GRAPH",
        "VALUES",
        "SERVICE",
    ]
)
_SIGNED = frozenset(["SIGNED_INTEGER", "SIGNED_DECIMAL", "SIGNED_DOUBLE"])
_NAMES = frozenset(["PNAME_NS", "PNAME_LN"])


class _Scan:
    """Follow the tokens as they are read: declared prefixes, base, open brackets, depth."""

    def __init__(self, source: _Source) -> None:
        self.source = source
        self.prefixes: dict[str, str] = {}
        self.base: str | None = None
        self.open: list[Token] = []
        self.tokens: list[Token] = []
        self.depth = 0
        self._links = [0]
        self._linked = 0

    def see(self, token: Token) -> None:
        """Take the next token in.

        Raises: RefusedQueryError at an update; QueryError at an undeclared prefix, a relative IRI without
        base, or too deep a nesting.
        """
        before = self.tokens[-2:]
        self.tokens.append(token)
        if token.type == "UPDATE_WORD":
            raise self.source.error(
                _start(token),
                "this endpoint answers queries; updates are not offered",
                kind=RefusedQueryError,
            )
        if token.type in _NAMES:
            self._see_name(token, declares=bool(before) and before[-1].type == "PREFIX")
        elif token.type == "IRIREF":
            self._see_iri(token, before)
        else:
            self._see_nesting(token)

    def resolve(self, token: Token) -> str:
        """The IRI that a token stands for."""
        if token.type == "IRIREF":
            return urljoin(self.base, token[1:-1]) if self.base else str(token[1:-1])
        prefix, _, local = token.partition(":")
        return self.prefixes[prefix] + re.sub(r"\\(.)", r"\1", local)

    def _see_name(self, token: Token, *, declares: bool) -> None:
        prefix = token.partition(":")[0]
        if declares or prefix in self.prefixes:
            return
        shown = f"the prefix {prefix}: is not declared"
        known = PREFIXES["cnrsg"] if prefix == "" else PREFIXES.get(prefix)
        hint = f"add PREFIX {prefix}: <{known or '…'}> at the top"
        near = difflib.get_close_matches(prefix, [name for name in self.prefixes if name], n=1)
        if known is None and near:
            hint = f"did you mean {near[0]}:? Otherwise {hint}"
        raise self.source.error(_start(token), shown, hint)

    def _see_iri(self, token: Token, before: list[Token]) -> None:
        iri = token[1:-1]
        if self.base is None and not re.match(r"[A-Za-z][A-Za-z0-9+.\-]*:", iri):
            hint = "write it in full, or add BASE <…> at the top"
            raise self.source.error(_start(token), f"the IRI <{iri}> is relative", hint)
        if before and before[-1].type == "BASE":
            self.base = self.resolve(token)
        elif len(before) == 2 and before[0].type == "PREFIX":
            self.prefixes[before[1].partition(":")[0]] = self.resolve(token)

    def _see_nesting(self, token: Token) -> None:
        mark = str(token)
        if mark in _OPENING:
            self.open.append(token)
            self._links.append(0)
        elif mark in _CLOSING:
            if self.open:
                self.open.pop()
                self._linked -= self._links.pop()
        elif mark in _LINKS or token.type in _SIGNED or token.type in _LINKS:
            self._links[-1] += 1
            self._linked += 1
        self.depth = max(self.depth, len(self.open) + self._linked // LINKS_PER_LEVEL)
        if self.depth > DEEPEST:
            hint = (
                f"at most {DEEPEST} brackets may stand in one another; "
                f"{LINKS_PER_LEVEL} joined parts count as one"
            )
            raise self.source.error(_start(token), "the query is nested too deeply", hint)


def _start(token: Token) -> int:
    return token.start_pos or 0


def _parse(source: _Source) -> tuple[Tree[Token], _Scan]:
    from lark.exceptions import UnexpectedCharacters, UnexpectedToken

    scan = _Scan(source)
    parser: Any = _parser().parse_interactive(source.expanded)
    try:
        for token in parser.lexer_thread.lex(parser.parser_state):
            parser.feed_token(token)
            scan.see(token)
        if not scan.tokens:
            raise source.error(
                0, "the query is empty", "write for example SELECT * WHERE { ?s ?p ?o } LIMIT 10"
            )
        tree: Tree[Token] = parser.feed_eof(scan.tokens[-1])
    except UnexpectedToken as error:
        at_end = error.token.type == "$END"
        position = len(source.expanded.rstrip()) if at_end else _start(error.token)
        raise _syntax_error(source, scan, position, set(error.accepts or error.expected)) from None
    except UnexpectedCharacters as error:
        raise _syntax_error(source, scan, error.pos_in_stream or 0, set(error.allowed or ())) from None
    return tree, scan


# ------------------------------------------------------------------------------------ words for errors

_PLAIN = {
    "VAR": "a variable",
    "IRIREF": "an IRI",
    "PNAME_LN": "a prefixed name",
    "PNAME_NS": "a prefix",
    "STRING": "a string",
    "INTEGER": "a number",
    "LBRACE": "{",
    "RBRACE": "}",
    "LPAR": "(",
    "RPAR": ")",
    "LSQB": "[",
    "RSQB": "]",
    "DOT": "a dot",
    "SEMICOLON": "a semicolon",
    "COMMA": "a comma",
    "STAR": "*",
    "EQUAL": "=",
    "BY": "BY",
    "AS": "AS",
    "WHERE": "WHERE",
    "FUNCTION_OF_ONE": "a function",
    "COMPARISON": "a comparison",
    "SELECT": "SELECT",
    "ASK": "ASK",
    "CONSTRUCT": "CONSTRUCT",
    "DESCRIBE": "DESCRIBE",
    "PREFIX": "PREFIX",
    "SEPARATOR": "SEPARATOR",
    "UNDEF": "UNDEF",
    "A": "a (for rdf:type)",
    "$END": "the end of the query",
}
_WORD = re.compile(r"\w+")
_KEYWORDS = _WORD.findall("""
    SELECT ASK CONSTRUCT DESCRIBE WHERE FILTER OPTIONAL UNION MINUS GRAPH BIND VALUES ORDER GROUP HAVING
    LIMIT OFFSET DISTINCT REDUCED PREFIX BASE FROM NAMED EXISTS NOT SERVICE AS BY ASC DESC COUNT SUM MIN
    MAX AVG SAMPLE GROUP_CONCAT SEPARATOR STR LANG LANGMATCHES DATATYPE BOUND IRI URI BNODE RAND ABS
    CEIL FLOOR ROUND CONCAT STRLEN UCASE LCASE ENCODE_FOR_URI CONTAINS STRSTARTS STRENDS STRBEFORE
    STRAFTER YEAR MONTH DAY HOURS MINUTES SECONDS TIMEZONE TZ NOW UUID STRUUID MD5 SHA1 SHA256 SHA384
    SHA512 COALESCE IF STRLANG STRDT SAMETERM ISIRI ISBLANK ISLITERAL ISNUMERIC REGEX SUBSTR REPLACE
    UNDEF SILENT TRUE FALSE
""")


def _syntax_error(source: _Source, scan: _Scan, position: int, expected: set[str]) -> QueryError:
    rest = source.expanded[position:]
    if not rest.strip():
        reason, hint = _unfinished(source, scan, expected)
    else:
        reason, hint = _misplaced(source, scan, rest, expected)
    return source.error(position, reason, hint)


def _unfinished(source: _Source, scan: _Scan, expected: set[str]) -> tuple[str, str]:
    if scan.open:
        opening = scan.open[-1]
        line, column = source.place(_start(opening))
        return (
            f"the query ends too early: the {opening} of line {line}, column {column} is not closed",
            f"add {_OPENING[str(opening)]}",
        )
    return "the query ends too early", _wanted(expected)


def _misplaced(source: _Source, scan: _Scan, rest: str, expected: set[str]) -> tuple[str, str]:
    """Say what stands where it cannot, and what was probably meant."""
    if rest[0] in _CLOSING:
        return _wrong_closing(source, scan, rest[0], expected)
    last = scan.tokens[-1] if scan.tokens else None
    if (
        last is not None
        and last.type in ("SELECT", "DISTINCT", "REDUCED")
        and re.match(r"where\b|\{", rest, re.IGNORECASE)
    ):
        return f"{last} names no variable", "name at least one, as in SELECT ?name, or write *"
    return _unfinished_token(rest, expected) or (
        f"{_shown(rest)} cannot stand here",
        _meant(rest, expected, after_equals=last == "="),
    )


def _unfinished_token(rest: str, expected: set[str]) -> tuple[str, str] | None:
    if rest[0] in "\"'":
        return "this string is not closed, or holds an escape that is none", _STRING_HINT
    if rest[0] == "<" and "IRIREF" in expected:
        return "this IRI is not closed, or holds what an IRI cannot hold", "write it as <https://…>"
    if rest[0] in "?$" and not re.match(r"[?$]\w", rest):
        return f"{rest[0]} begins a variable, but no name follows", "write for example ?name"
    if rest[0] == "\\":
        return "a backslash cannot stand here", "inside a string write \\\\ for a backslash"
    return None


def _meant(rest: str, expected: set[str], *, after_equals: bool) -> str:
    word = _WORD.match(rest)
    if rest.startswith("==") or (rest[0] == "=" and after_equals):
        return "SPARQL compares with one ="
    if word and word[0].lower() in ("and", "or") and expected & {'"||"', '"&&"', "COMPARISON"}:
        return f"write {'&&' if word[0].lower() == 'and' else '||'}"
    if word and not word[0][0].isdigit():
        return _word_hint(word[0], rest, expected)
    if "DOT" in expected and rest[0] in "?$<[(_:":
        return "end the triple before it with a dot"
    return _wanted(expected)


_STRING_HINT = 'close it with the quote it began with; inside write \\" \\\\ \\n, over several lines use """'


def _shown(rest: str) -> str:
    found = re.match(r"[?$:\w][\w:.\-]*|<[^\s>]*>|\S", rest)
    text = found[0].rstrip(".") if found else rest[:1]
    return f'"{text[:40] or rest[:1]}"'


def _wrong_closing(source: _Source, scan: _Scan, mark: str, expected: set[str]) -> tuple[str, str]:
    if not scan.open:
        return f"{mark} closes nothing", "remove it, or look for a missing opening bracket before it"
    opening = scan.open[-1]
    if _OPENING[str(opening)] != mark:
        line, column = source.place(_start(opening))
        return (
            f"{mark} comes before the {opening} of line {line}, column {column} is closed",
            f"add {_OPENING[str(opening)]} before it",
        )
    return f"{mark} comes too early", _wanted(expected)


def _word_hint(word: str, rest: str, expected: set[str]) -> str:
    if ":" in rest[: len(word) + 1] and "DOT" in expected:
        return "end the triple before it with a dot"
    if word.upper() in _KEYWORDS:
        return _wanted(expected)
    functions = any(name.startswith("FUNCTION") for name in expected)
    fitting = [name for name in _KEYWORDS if name in expected or functions]
    near = difflib.get_close_matches(word.upper(), fitting, n=1, cutoff=0.7)
    if near:
        return f"did you mean {near[0]}?"
    if "VAR" in expected:
        return f"a variable begins with ?, so write ?{word}; a name has a prefix, as in skos:{word}"
    return _wanted(expected)


def _wanted(expected: set[str]) -> str:
    words = [words for name, words in _PLAIN.items() if name in expected]
    if not words:
        return "remove it, or look for what is missing before it"
    return "expected here: " + (
        " or ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else words[0]
    )


# ------------------------------------------------------------------------------------ reading the tree


def _facts(tree: Tree[Token], source: _Source, scan: _Scan) -> QueryFacts:
    body = next(_subtrees(tree, {"select_query", "construct_query", "describe_query", "ask_query"}))
    reaches = [_reach(node, source, scan) for node in _subtrees(tree, _CLAUSES)]
    for node in _subtrees(tree, _CHECKS):
        _CHECKS[str(node.data)](node, source)
    return QueryFacts(
        form=str(body.data).removesuffix("_query").upper(),
        variables=_columns(body) if body.data == "select_query" else (),
        reaches_out=any(reach.clause == "SERVICE" for reach in reaches),
        dataset=tuple(reach.iri for reach in reaches if reach.clause == "FROM"),
        named=tuple(reach.iri for reach in reaches if reach.clause == "FROM NAMED"),
        depth=0,
        reaches=tuple(sorted(reaches, key=lambda reach: (reach.line, reach.column))),
    )


_CLAUSES = {"service_graph_pattern": "SERVICE", "default_graph": "FROM", "named_graph": "FROM NAMED"}


def _reach(node: Any, source: _Source, scan: _Scan) -> Reach:
    name: Any = next(_subtrees(node, {"iri", "var"})).children[0]
    iri = str(name) if name.type == "VAR" else scan.resolve(name)
    line, column = source.place(_start(next(_tokens(node))))
    return Reach(_CLAUSES[str(node.data)], iri, line, column)


def _check_values(block: Any, source: _Source) -> None:
    width = len(block.children[0].children)
    for row in block.children[1:]:
        if len(row.children) != width:
            raise source.error(
                _start(next(_tokens(row), next(_tokens(block)))),
                f"a row of VALUES has {len(row.children)} values for {width} variables",
                "give each variable a value, or UNDEF",
            )


def _check_bind(group: Any, source: _Source) -> None:
    seen: set[str] = set()
    for part in group.children:
        if _is(part, "bind") and _last_variable(part) in seen:
            reason = f"BIND gives a value to ?{_last_variable(part)}, which has one already"
            raise source.error(_last_place(part), reason, "choose a new name, or use FILTER")
        seen.update(_visible([part]))


def _check_select(query: Any, source: _Source) -> None:
    """Refuse columns that cannot be: shown twice, named like a variable of the pattern, or not grouped."""
    clause = query.children[0]
    modifier = _part(query, "solution_modifier")
    groups = [part for part in modifier.children if _is(part, "group_clause")]
    star = next((part for part in clause.children if getattr(part, "type", None) == "STAR"), None)
    if groups and star is not None:
        raise source.error(_start(star), "SELECT * cannot stand with GROUP BY", "name the variables to show")
    counts = bool(groups) or any(next(_subtrees(part, {"aggregate"}), None) for part in (clause, modifier))
    late = set(_visible([part for part in query.children if _is(part, "values_clause")]))
    keys = {_last_variable(part) for group in groups for part in _keys(group)} | late
    inside = keys if counts else set(_visible(query.children[1:]))
    shown: set[str] = set()
    for column in (part for part in clause.children if _is(part, "projection")):
        wrong = _wrong_column(column, shown, inside, grouped=counts)
        if wrong is not None:
            raise source.error(_last_place(column), *wrong)
        shown.add(_last_variable(column))


def _wrong_column(column: Any, shown: set[str], inside: set[str], *, grouped: bool) -> tuple[str, str] | None:
    name, computed = _last_variable(column), len(column.children) > 1
    if name in shown:
        return f"?{name} is shown twice", "name each column once"
    if computed and name in inside:
        return f"AS ?{name} names a variable that is in use already", "choose a new name"
    if grouped and not computed and name not in inside:
        return (
            f"?{name} has many values in a group",
            f"add GROUP BY ?{name}, or show (SAMPLE(?{name}) AS ?one)",
        )
    return None


def _keys(group: Any) -> list[Any]:
    """The conditions of GROUP BY that are or give a variable."""
    return [part for part in group.children if _is(part, "group_condition") and _is(part.children[-1], "var")]


_CHECKS: Mapping[str, Callable[[Any, _Source], None]] = {
    "many_variables": _check_values,
    "group_graph_pattern_sub": _check_bind,
    "select_query": _check_select,
    "subselect": _check_select,
}


def _columns(query: Any) -> tuple[str, ...]:
    clause = query.children[0]
    named = [_last_variable(part) for part in clause.children if _is(part, "projection")]
    return tuple(named) if named else tuple(dict.fromkeys(_visible(query.children[1:])))


def _visible(nodes: Sequence[Any]) -> Iterator[str]:
    """The variables that SELECT * shows: not those of FILTER, MINUS and inner expressions only."""
    waiting: list[Any] = list(reversed(nodes))
    while waiting:
        node = waiting.pop()
        if _is(node, "var"):
            yield node.children[0][1:]
        elif _is(node, "bind"):
            yield _last_variable(node)
        elif _is(node, "subselect"):
            projections = [part for part in node.children[0].children if _is(part, "projection")]
            if projections:
                yield from map(_last_variable, projections)
            else:
                waiting.extend(reversed(node.children[1:]))
        elif hasattr(node, "children") and node.data not in _UNSEEN:
            waiting.extend(reversed(node.children))


_UNSEEN = {"filter", "minus_graph_pattern", "solution_modifier", "default_graph", "named_graph"}


def _last_variable(node: Any) -> str:
    return str(node.children[-1].children[0][1:])


def _last_place(node: Any) -> int:
    return _start(node.children[-1].children[0])


def _is(node: Any, data: str) -> bool:
    return getattr(node, "data", None) == data


def _part(node: Any, data: str) -> Any:
    return next(child for child in node.children if _is(child, data))


def _subtrees(tree: Tree[Token], names: Collection[str]) -> Iterator[Tree[Token]]:
    """Walk the tree in order of the text, without recursion."""
    waiting: list[Any] = [tree]
    while waiting:
        node = waiting.pop()
        if hasattr(node, "children"):
            if node.data in names:
                yield node
            waiting.extend(reversed(node.children))


def _tokens(node: Any) -> Iterator[Token]:
    waiting = [node]
    while waiting:
        part = waiting.pop()
        if hasattr(part, "children"):
            waiting.extend(reversed(part.children))
        else:
            yield part


# --------------------------------------------------------------------------------------- saved queries


@dataclass(frozen=True)
class Parameter:
    """A value that a saved query asks for; *sample* is the term that stands in the file."""

    name: str
    kind: str
    description: str
    sample: str


@dataclass(frozen=True)
class SavedQuery:
    """A query in a file: complete, with a sample value on the `VALUES` line of each parameter."""

    name: str
    summary: str
    parameters: tuple[Parameter, ...]
    text: str
    path: Path
    notes: Mapping[str, str] = field(default_factory=dict)

    @property
    def facts(self) -> QueryFacts:
        """What the query asks for."""
        return inspect(self.text)

    def bind(self, values: Mapping[str, str]) -> str:
        """Put values on the `VALUES` lines of the parameters; one without a value keeps its sample.

        Raises: ParameterError if a parameter is unknown, or its value is not of its kind.
        """
        known = {parameter.name: parameter for parameter in self.parameters}
        bound: dict[str, str] = {}
        for name, value in values.items():
            if name not in known:
                allowed = ", ".join(sorted(known)) or "none"
                raise ParameterError(self.name, name, f"this query has no such parameter; it has {allowed}")
            try:
                bound[name] = _term(known[name].kind, value, self._prefixes)
            except ValueError as error:
                raise ParameterError(self.name, name, str(error)) from None
        return _replace_values(self.text, bound)

    @property
    def _prefixes(self) -> Mapping[str, str]:
        return dict(_PREFIX_LINE.findall(self.text))


class Catalogue(Mapping[str, SavedQuery]):
    """The saved queries of a folder, its subfolders included, by name.

    Raises: SourceError at the first file that cannot be used.
    """

    def __init__(self, directory: Path) -> None:
        self._queries: dict[str, SavedQuery] = {}
        for path in sorted(directory.rglob("*.rq"), key=lambda path: path.stem):
            if path.stem in self._queries:
                raise SourceError(
                    Place(path), f"another query has this name: {self._queries[path.stem].path}"
                )
            self._queries[path.stem] = read_query(path)

    def __getitem__(self, name: str) -> SavedQuery:
        try:
            return self._queries[name]
        except KeyError:
            raise UnknownQueryError(name, self._queries) from None

    def __contains__(self, name: object) -> bool:
        return name in self._queries

    def __iter__(self) -> Iterator[str]:
        return iter(self._queries)

    def __len__(self) -> int:
        return len(self._queries)


_NOTES = ("summary", "summary-fr", "question", "question-fr", "asked-by", "axiom", "source")
_FRONT = re.compile(r"#\+\s*(?P<key>[^:]*?)\s*:\s*(?P<value>.*?)\s*")
_PARAM = re.compile(r"param\s+(?P<name>[A-Za-z_][A-Za-z0-9_]*)\s+(?P<kind>\S+)")
_VALUES_LINE = re.compile(
    r"(?P<head>[ \t]*VALUES[ \t]+\?(?P<name>\w+)[ \t]*\{[ \t]*)(?P<term>\S.*?)(?P<tail>[ \t]*\}[ \t]*)"
)
_PREFIX_LINE = re.compile(r"^\s*PREFIX\s+([\w.\-]*):\s*<([^>]*)>", re.IGNORECASE | re.MULTILINE)


def read_query(path: Path) -> SavedQuery:
    """Read a saved query and its front matter, lines `#+ key: value` before the query.

    Raises: SourceError, with the line, if a key is unknown, the summary is missing, a parameter has not
    exactly one `VALUES` line with one sample value of its kind, or the query itself cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(Place(path), f"cannot be read: {error}") from error
    notes, declared = _front_matter(path, text)
    if not notes.get("summary"):
        raise SourceError(Place(path, 1), "the query has no summary; add a line “#+ summary: …”")
    parameters = tuple(_parameter(path, text, line, *facts) for line, facts in declared)
    try:
        inspect(text)
    except QueryError as error:
        raise SourceError(Place(path, error.line, error.column), error.reason) from error
    rest = {key: value for key, value in notes.items() if key != "summary"}
    return SavedQuery(path.stem, notes["summary"], parameters, text, path, rest)


def _front_matter(path: Path, text: str) -> tuple[dict[str, str], list[tuple[int, tuple[str, str, str]]]]:
    notes: dict[str, str] = {}
    declared: list[tuple[int, tuple[str, str, str]]] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.startswith("#+"):
            continue
        entry = _FRONT.fullmatch(line)
        if entry is None:
            raise SourceError(Place(path, number), "front matter is written “#+ key: value”")
        key, value = entry["key"], entry["value"]
        parameter = _PARAM.fullmatch(key)
        if parameter is not None:
            if parameter["kind"] not in _SAMPLES:
                known = ", ".join(_SAMPLES)
                raise SourceError(
                    Place(path, number), f"unknown kind {parameter['kind']!r}; known are {known}"
                )
            declared.append((number, (parameter["name"], parameter["kind"], value)))
        elif key not in _NOTES:
            near = difflib.get_close_matches(key, _NOTES, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(_NOTES)}, param"
            raise SourceError(Place(path, number), f"unknown key {key!r}; {hint}")
        elif key in notes:
            raise SourceError(Place(path, number), f"the key {key!r} is given twice")
        elif not value:
            raise SourceError(Place(path, number), f"the key {key!r} has no value")
        else:
            notes[key] = value
    return notes, declared


def _parameter(path: Path, text: str, line: int, name: str, kind: str, description: str) -> Parameter:
    samples = [
        entry for entry in map(_VALUES_LINE.fullmatch, text.split("\n")) if entry and entry["name"] == name
    ]
    if len(samples) != 1:
        count = "no line" if not samples else f"{len(samples)} lines"
        raise SourceError(
            Place(path, line),
            f"the parameter {name!r} has {count} “VALUES ?{name} {{ … }}”; exactly one is needed",
        )
    if not description:
        raise SourceError(Place(path, line), f"the parameter {name!r} has no description")
    sample = samples[0]["term"]
    if not re.fullmatch(_SAMPLES[kind], sample):
        raise SourceError(Place(path, line), f"the sample of {name!r}, {sample}, is not one {kind}")
    return Parameter(name, kind, description, sample)


def _replace_values(text: str, bound: Mapping[str, str]) -> str:
    lines = text.split("\n")
    for number, line in enumerate(lines):
        entry = _VALUES_LINE.fullmatch(line)
        if entry is not None and entry["name"] in bound:
            lines[number] = f"{entry['head']}{bound[entry['name']]}{entry['tail']}"
    return "\n".join(lines)


# ---------------------------------------------------------------------------------------------- values

_XSD = PREFIXES["xsd"]
_QUOTED = r'"(?:[^"\\\n\r]|\\.)*"'
_SAMPLES: Mapping[str, str] = {
    "iri": r"<[^<>\s]+>|[\w.\-]*:[\w.\-]+",
    "string": _QUOTED,
    "integer": r"[+-]?\d+",
    "date": _QUOTED + r"\^\^xsd:date",
    "gYear": _QUOTED + r"\^\^xsd:gYear",
}


def _term(kind: str, value: str, prefixes: Mapping[str, str]) -> str:
    """Write a value as a term of its kind.

    Raises: ValueError saying what is allowed.
    """
    return _iri(value, prefixes) if kind == "iri" else _LITERALS[kind](value)


def _iri(value: str, prefixes: Mapping[str, str]) -> str:
    prefix, colon, local = value.partition(":")
    try:
        if colon and prefix in prefixes and not local.startswith("//"):
            iri = absolute_iri(prefixes[prefix] + local)
        else:
            iri = expand(value)
    except ValueError:
        known = ", ".join(f"{name}:" for name in prefixes)
        raise ValueError(
            f"{value!r} is not an IRI; write it in full, as in https://…, or with one of the prefixes {known}"
        ) from None
    if re.search(r"[<>\"{}|^`\\\x00-\x20]", iri):
        raise ValueError(f"{value!r} holds a character that an IRI cannot hold")
    return f"<{iri}>"


def _string(value: str) -> str:
    if any(0xD800 <= ord(character) <= 0xDFFF for character in value):
        raise ValueError("the text holds half a character (a lone surrogate)")
    return f'"{_escaped(value)}"'


def _escaped(value: str) -> str:
    r"""Escape a string for a query, so that every reader gets the same characters back.

    A backslash before a u is the trap: readers that expand \uXXXX first would see an escape in \\u0022. There
    the u itself is written as an escape.
    """
    plain = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r")
    plain = plain.replace("\t", "\\t")
    return re.sub(r"(?<=\\)[uU]", lambda match: f"\\u{ord(match[0]):04X}", plain)


def _integer(value: str) -> str:
    if not re.fullmatch(r"[+-]?[0-9]{1,18}", value):
        raise ValueError(f"{value!r} is not a whole number; write for example 12")
    return value


def _date(value: str) -> str:
    wrong = f"{value!r} is not a date; write for example 1999-12-31"
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        raise ValueError(wrong)
    try:
        datetime.date.fromisoformat(value)
    except ValueError:
        raise ValueError(wrong) from None
    return f'"{value}"^^<{_XSD}date>'


def _year(value: str) -> str:
    if not re.fullmatch(r"[0-9]{4}", value):
        raise ValueError(f"{value!r} is not a year; write for example 1999")
    return f'"{value}"^^<{_XSD}gYear>'


_LITERALS: Mapping[str, Callable[[str], str]] = {
    "string": _string,
    "integer": _integer,
    "date": _date,
    "gYear": _year,
}
