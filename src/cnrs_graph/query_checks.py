"""SPARQL constraints answered for all focus nodes at once, by the engine that answers queries.

It keeps values rather than what was written; a query that would look at the difference is `UndecidedError`,
and pySHACL is asked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

import pyoxigraph as ox

from cnrs_graph.breaches import Breach, UndecidedError
from cnrs_graph.literal_values import is_of_datatype
from cnrs_graph.plain_queries import Query
from cnrs_graph.shape_graph import iri
from cnrs_graph.terms import PREFIXES, Term

_SH, _RDF, _XSD = (PREFIXES[name] for name in ("sh", "rdf", "xsd"))
_STRING = f"{_XSD}string"
_TEXTS = frozenset((_STRING, f"{_RDF}langString"))
_INTEGERS = frozenset(f"{_XSD}{name}" for name in ("integer", "nonNegativeInteger", "positiveInteger"))
_ORDINARY = _INTEGERS | {
    f"{_XSD}{name}" for name in ("decimal", "boolean", "date", "gYear", "string", "anyURI")
}

#: Values of one kind compare alike in both engines; numbers are of one kind.
_KINDS = dict.fromkeys((*_INTEGERS, f"{_XSD}decimal"), "number")


def answers(
    asked: Iterable[tuple[Query, set[Term]]], quads: Iterable[ox.Quad]
) -> Iterator[tuple[Query, list[Breach] | UndecidedError]]:
    """What the focus nodes of each query break, or why that is not certain."""
    asked = tuple(asked)
    store = _Store(quads, _together(query.predicates for query, _ in asked))
    for query, targets in asked:
        try:
            store.check(query)
            yield query, list(_rows(store, query, targets))
        except UndecidedError as reason:
            yield query, reason


def _together(sets: Iterable[frozenset[str] | None]) -> frozenset[str] | None:
    found: set[str] = set()
    for each in sets:
        if each is None:
            return None
        found |= each
    return frozenset(found)


# Answers --------------------------------------------------------------------------------------------------


class _Store:
    """Some statements where queries are answered, and how their literals are written."""

    def __init__(self, quads: Iterable[ox.Quad], predicates: frozenset[str] | None) -> None:
        self.store = ox.Store()
        wanted = None if predicates is None else {ox.NamedNode(each) for each in predicates}
        self._typed: dict[str, set[ox.Literal]] = {}
        self._kinds: dict[str, set[str]] = {}
        self.store.extend(self._noted(quads, wanted))
        self._kept: dict[ox.Literal, Term] = {}

    def _noted(self, quads: Iterable[ox.Quad], wanted: set[ox.NamedNode] | None) -> Iterator[ox.Quad]:
        """The statements without their graphs; the literals that are no plain texts are noted by property."""
        typed, kinds = self._typed, self._kinds
        for quad in quads:
            predicate = quad.predicate
            if wanted is not None and predicate not in wanted:
                continue
            value = quad.object
            if type(value) is ox.Literal:
                name, datatype = predicate.value, value.datatype.value
                kinds.setdefault(name, set()).add(_KINDS.get(datatype, datatype))
                if datatype not in _TEXTS:
                    typed.setdefault(name, set()).add(value)
            yield ox.Quad(quad.subject, predicate, value)

    def check(self, query: Query) -> None:
        """See that the values this query looks at are kept as they count for it.

        Raises: UndecidedError.
        """
        used = {name: given for name, given in query.bound.items() if query.uses[name] > 1}
        looked = {name: self._kinds.keys() if "*" in given else given for name, given in used.items()}
        names = set().union(*looked.values())
        kept = self._as_kept({literal for name in names for literal in self._typed.get(name, ())})
        if len(set(kept.values())) < len(kept):
            raise UndecidedError("the data has one value in two spellings")
        kinds = set(query.constants)
        for variable, looked_at in looked.items():
            if variable in query.weighed:
                kinds.update(*(self._kinds.get(name, ()) for name in looked_at))
            for literal in (each for name in looked_at for each in self._typed.get(name, ())):
                if variable in query.weighed and not _is_ordinary(literal):
                    raise UndecidedError(f"{literal} is no value of a plain kind")
                if variable in query.spelt and _spelling(kept[literal]) != literal.value:
                    raise UndecidedError(f"{literal} is not written the shortest way")
        if len(kinds) > 1:
            raise UndecidedError("it compares values of several kinds")

    def written(self, query: Query, variable: str, term: Term) -> Term:
        """A term of an answer as the data has it.

        Raises: UndecidedError when it was computed and engines might write it differently.
        """
        if not isinstance(term, ox.Literal) or term.datatype.value in _TEXTS:
            return term
        given = query.bound.get(variable)
        if given:
            names = self._typed if "*" in given else given
            literals = {each for name in names for each in self._typed.get(name, ())}
            return next((each for each, kept in self._as_kept(literals).items() if kept == term), term)
        if term.datatype.value not in (f"{_XSD}integer", f"{_XSD}boolean") or variable in ("value", "path"):
            raise UndecidedError("it computes a value that engines write differently")
        return term

    def _as_kept(self, literals: set[ox.Literal]) -> Mapping[ox.Literal, Term]:
        """How the engine keeps literals."""
        new = [each for each in literals if each not in self._kept]
        if new:
            scratch, predicate = ox.Store(), ox.NamedNode("urn:x:is")
            numbered = {ox.NamedNode(f"urn:x:{at}"): each for at, each in enumerate(new)}
            scratch.extend(ox.Quad(name, predicate, each) for name, each in numbered.items())
            self._kept.update((numbered[quad.subject], quad.object) for quad in scratch)
        return {each: self._kept[each] for each in literals}


def _rows(store: _Store, query: Query, targets: set[Term]) -> Iterator[Breach]:
    """A result for each row about a focus node. Source: SHACL, section 5.3.2."""
    answer = store.store.query(query.text)
    if not isinstance(answer, ox.QuerySolutions):
        raise UndecidedError("its query is no SELECT")
    names = [variable.value for variable in answer.variables]
    seen = set()
    for solution in answer:
        row = {name: term for name, term in zip(names, solution, strict=True) if term is not None}
        if "this" not in row or store.written(query, "this", row["this"]) not in targets:
            continue
        key = tuple(sorted((name, str(term)) for name, term in row.items()))
        if key in seen:
            continue
        seen.add(key)
        yield _breach(query, {name: store.written(query, name, term) for name, term in row.items()})


def _breach(query: Query, row: dict[str, Term]) -> Breach:
    shape, path, value = query.shape, row.get("path"), row.get("value")
    if path is not None and not isinstance(path, ox.NamedNode):
        raise UndecidedError("its path is no property")
    if value is None and not shape.is_property:
        value = row["this"]
    said = row if value is None else {**row, "value": value}
    texts = {name: term.value for name, term in said.items() if not isinstance(term, ox.Triple)}
    return Breach(
        focus=row["this"],
        shape=shape.node,
        component=f"{_SH}SPARQLConstraintComponent",
        severity=shape.severity,
        value=value,
        path=shape.path if path is None else iri(path.value),
        messages={owner: _filled(said_by, texts) for owner, said_by in query.messages.items()},
        constraint=query.constraint,
    )


def _filled(said: Mapping[str, frozenset[str]], values: Mapping[str, str]) -> Mapping[str, frozenset[str]]:
    def fill(text: str) -> str:
        return re.sub(r"\{[?$](\w+)\}", lambda match: values.get(match[1], match[0]), text)

    return {language: frozenset(map(fill, texts)) for language, texts in said.items()}


def _is_ordinary(literal: ox.Literal) -> bool:
    """Whether both engines weigh a literal alike."""
    datatype = literal.datatype.value
    zoned = datatype in (f"{_XSD}date", f"{_XSD}gYear") and not re.fullmatch(
        r"[0-9]{4}(-..-..)?", literal.value
    )
    return datatype in _ORDINARY and not zoned and is_of_datatype(literal, datatype)


def _spelling(term: Term) -> str:
    return "" if isinstance(term, ox.Triple) else term.value
