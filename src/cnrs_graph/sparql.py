"""What a SPARQL query asks for, known before an engine sees it; and an order that is safe to sort by."""

from __future__ import annotations

import difflib
import re
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias
from urllib.parse import urljoin

from cnrs_graph.errors import QueryError, RefusedQueryError
from cnrs_graph.likeness import OrderCondition, blotted, with_keys
from cnrs_graph.sparql_words import BRACKETS, Opening, Stop, reason_and_hint
from cnrs_graph.terms import PREFIXES

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
    return _reading(text).facts


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
                hint="ask the other endpoint yourself and join the answers",
            )
        if reach.iri not in known_graphs:
            raise RefusedQueryError(
                f"{reach.clause} <{reach.iri}> is not a graph of this endpoint, and nothing is fetched",
                line=reach.line,
                column=reach.column,
                hint="SELECT DISTINCT ?g WHERE { GRAPH ?g { ?s ?p ?o } } lists the graphs",
            )


class _Reading(NamedTuple):
    facts: QueryFacts
    order: tuple[OrderCondition, ...]


def _reading(text: str) -> _Reading:
    """What a query says, by memory if one was read that is alike (`likeness`).

    Where a query reaches, and what an error shows, is its own: then it is read as it is.
    """
    if len(text) > REMEMBERED_CHARACTERS:
        return _read(text)
    try:
        alike = _remembered(blotted(text))
    except QueryError:
        return _read(text)
    return _remembered(text) if alike.facts.reaches else alike


@lru_cache(maxsize=1024)
def _remembered(text: str) -> _Reading:
    return _read(text)


def _read(text: str) -> _Reading:
    source = _expand_escapes(text)
    tree, scan = _parse(source)
    facts = replace(_facts(tree, source, scan), depth=scan.depth)
    return _Reading(facts, tuple(_order_conditions(tree, source)))


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

    def position_sent(self, position: int) -> int:
        """Where a position of the expanded text stands in the text as it was sent."""
        step = bisect_right(self.starts, position) - 1
        return position + (self.shifts[step] if step >= 0 else 0)

    def place(self, position: int) -> tuple[int, int]:
        """Line and column, from 1, in the text as it was sent, of a position in the expanded text."""
        sent = self.position_sent(position)
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
    return Lark(
        grammar,
        parser="lalr",
        lexer="contextual",
        start="unit",
        maybe_placeholders=False,
        propagate_positions=True,
    )


_CLOSING = frozenset(BRACKETS.values())
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
        if mark in BRACKETS:
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


def _syntax_error(source: _Source, scan: _Scan, position: int, expected: set[str]) -> QueryError:
    opening = Opening(str(scan.open[-1]), *source.place(_start(scan.open[-1]))) if scan.open else None
    kind, last = (scan.tokens[-1].type, str(scan.tokens[-1])) if scan.tokens else ("", "")
    stop = Stop(source.expanded[position:], expected, opening, kind, last)
    return source.error(position, *reason_and_hint(stop))


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


def _parts(node: Any, data: str) -> list[Any]:
    return [child for child in node.children if _is(child, data)]


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


# --------------------------------------------------------------------------------------- a total order


def with_total_order(text: str) -> str:
    """Sort by keys before each condition of ORDER BY, so that the engine never compares what it cannot order.

    Its order of literals runs in circles: the number 9, the number 10, the string "5", the number 9; and two
    decimals that differ may both equal one double. Its sort notices, and ends the process it runs in. Keys
    part numbers, texts and every other datatype, times with and without zone, valid literals and others; they
    order numbers exactly and texts by their characters. Within one class the order stays, and nothing else in
    the text changes.

    A condition that cannot mix classes, as STR(?x), gets no keys. Nor does one with RAND, UUID, STRUUID or
    BNODE, which give another value the next time, or with EXISTS, which would be run again for every key.
    Such a condition may still end the engine, and so may data with triples as terms (RDF 1.2).

    Raises: QueryError as `inspect` does.
    """
    return with_keys(text, order_of(text))


def order_of(text: str) -> tuple[OrderCondition, ...]:
    """The conditions of ORDER BY that want keys. Raises: QueryError as `inspect` does."""
    return _reading(text).order


def _order_conditions(tree: Tree[Token], source: _Source) -> Iterator[OrderCondition]:
    found = []
    for query in _subtrees(tree, _QUERIES):
        uniform = set(_uniform_columns(query)) | set(_uniform_by_filter(query))
        for clause in _parts(_part(query, "solution_modifier"), "order_clause"):
            conditions = _parts(clause, "order_condition")
            found += [part for part in conditions if not _needs_no_keys(part, uniform)]
    for node in sorted(found, key=lambda node: node.meta.start_pos):
        first: Any = node.children[0]
        directed = getattr(first, "type", None) in ("ASC", "DESC")
        start, end = node.meta.start_pos, node.meta.end_pos
        yield OrderCondition(
            source.position_sent(start),
            source.position_sent(first.end_pos if directed else start),
            source.position_sent(end),
            first.type if directed else "ASC",
        )


def _needs_no_keys(condition: Any, uniform: Collection[str]) -> bool:
    by = condition.children[-1]
    words = [token.upper() for token in _tokens(by)]
    return (
        not _NOT_AGAIN.isdisjoint(words)
        or (_is(by, "built_in_call") and words[0] in _OF_ONE_CLASS)
        or (_is(by, "var") and _last_variable(condition) in uniform)
    )


def _uniform_columns(query: Any) -> Iterator[str]:
    """The columns computed by a function whose values are of one class, as COUNT."""
    for clause in _parts(query, "select_clause"):
        for column in _parts(clause, "projection"):
            computed = column.children[0]
            if _is(computed, "built_in_call") and next(_tokens(computed)).upper() in _OF_ONE_CLASS:
                yield _last_variable(column)


def _uniform_by_filter(query: Any) -> Iterator[str]:
    """The variables that a FILTER of the whole pattern leaves with texts of one language."""
    for clause in _parts(query, "where_clause"):
        for group in _parts(clause.children[-1], "group_graph_pattern_sub"):
            for part in _parts(group, "filter"):
                condition = part.children[-1]
                is_both = _is(condition, "conditional_and_expression")
                yield from filter(None, map(_of_one_language, condition.children if is_both else [condition]))


def _of_one_language(condition: Any) -> str | None:
    """The variable of LANG(?x) = "en"."""
    words = [str(token) for token in _tokens(condition)]
    if not _is(condition, "relational_expression") or len(words) != len(["LANG", "?x", "=", "en"]):
        return None
    name, variable, sign, language = words
    is_so = name.upper() == "LANG" and sign == "=" and _LANGUAGE.fullmatch(language)
    return variable[1:] if is_so else None


_QUERIES = ("select_query", "subselect", "construct_query", "describe_query", "ask_query")
_LANGUAGE = re.compile(r"([\"'])[A-Za-z-]+\1")
_WORD = re.compile(r"\w+")
_NOT_AGAIN = frozenset(["RAND", "UUID", "STRUUID", "BNODE", "EXISTS"])
#: Functions whose values the engine can order, whatever they are called with.
_OF_ONE_CLASS = frozenset(
    _WORD.findall("""
    STR LANG TZ ENCODE_FOR_URI MD5 SHA1 SHA256 SHA384 SHA512 IRI URI DATATYPE
    COUNT STRLEN YEAR MONTH DAY HOURS MINUTES SECONDS
    BOUND LANGMATCHES CONTAINS STRSTARTS STRENDS REGEX SAMETERM ISIRI ISURI ISBLANK ISLITERAL ISNUMERIC
    """)
)
