"""Where queries are answered: what every store gives, and statements held in this process."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

import pyoxigraph as ox

from cnrs_graph.dataset import graph_of
from cnrs_graph.errors import QueryError
from cnrs_graph.terms import Term

_POSITION = re.compile(r"error at (\d+):(\d+): ")


class Form(StrEnum):
    """What kind of answer a query has; the answer to a DESCRIBE is a CONSTRUCT answer."""

    SELECT = "SELECT"
    ASK = "ASK"
    CONSTRUCT = "CONSTRUCT"


@dataclass(frozen=True)
class Answer:
    """A finished answer: SPARQL results JSON for SELECT and ASK, N-Triples for CONSTRUCT."""

    form: Form
    body: bytes

    def rows(self) -> list[dict[str, Term]]:
        """The rows of a SELECT answer, by variable name; an unbound variable is absent from its row.

        >>> body = b'{"head":{"vars":["x"]},"results":{"bindings":[{"x":{"type":"literal","value":"1"}},{}]}}'
        >>> [sorted(row) for row in Answer(Form.SELECT, body).rows()]
        [['x'], []]

        Raises: TypeError for an answer of another form.
        """
        results = self._results(Form.SELECT)
        names = [variable.value for variable in results.variables]
        return [
            {name: term for name, term in zip(names, solution, strict=True) if term is not None}
            for solution in results
        ]

    def variables(self) -> tuple[str, ...]:
        """The variables of a SELECT answer, in the order the query names them.

        Raises: TypeError for an answer of another form.
        """
        return tuple(variable.value for variable in self._results(Form.SELECT).variables)

    def verdict(self) -> bool:
        """Whether an ASK query was answered yes.

        >>> Answer(Form.ASK, b'{"head":{},"boolean":true}').verdict()
        True

        Raises: TypeError for an answer of another form.
        """
        return bool(self._results(Form.ASK))

    def graph(self) -> Any:
        """The statements of a CONSTRUCT answer as an rdflib graph, lexical forms kept.

        Raises: TypeError for an answer of another form.
        """
        self._must_be(Form.CONSTRUCT)
        return graph_of(ox.parse(input=self.body, format=ox.RdfFormat.N_TRIPLES))

    def _results(self, form: Form) -> Any:
        self._must_be(form)
        return ox.parse_query_results(self.body, format=ox.QueryResultsFormat.JSON)

    def _must_be(self, form: Form) -> None:
        if self.form is not form:
            raise TypeError(f"the answer is a {self.form}, not a {form}")


class Store(Protocol):
    """Anything that answers a SPARQL query."""

    def query(self, text: str) -> Answer:
        """Answer a query."""
        ...


class LocalStore:
    """Statements held in this process, for our own queries; those of strangers go through `workers`.

    The engine cannot be stopped and some queries end the process it runs in.
    """

    def __init__(self, engine: ox.Store) -> None:
        self._engine = engine

    @classmethod
    def of(cls, *parts: Iterable[ox.Quad], default: Sequence[str]) -> LocalStore:
        """Hold quads; the graphs in *default* together are the default graph of a query.

        Graphs: every graph stays reachable with GRAPH and FROM; a statement that stands in two graphs of
        *default* stands once in the default graph. Quads that are in no named graph are in it too.
        Source: SPARQL 1.1 Query Language, section 13.
        """
        engine = ox.Store()
        for part in parts:
            engine.extend(part)
        for graph in default:
            engine.update(f"ADD SILENT {ox.NamedNode(graph)} TO DEFAULT")
        return cls(engine)

    def query(self, text: str) -> Answer:
        """Answer a query here and now; FROM and FROM NAMED replace the default graph.

        Raises: QueryError, with the engine's line and column if it gives them.
        """
        # The engine's iterators must not leave the thread that made them,
        # so the answer is finished here, before anybody can see it.
        try:
            found = self._engine.query(text)
            if isinstance(found, ox.QueryTriples):
                return Answer(Form.CONSTRUCT, found.serialize(format=ox.RdfFormat.N_TRIPLES) or b"")
            form = Form.ASK if isinstance(found, ox.QueryBoolean) else Form.SELECT
            return Answer(form, found.serialize(format=ox.QueryResultsFormat.JSON) or b"")
        except SyntaxError as error:
            raise unreadable(str(error)) from error
        except (OSError, RuntimeError, ValueError) as error:
            raise QueryError(f"the engine gave up: {error}") from error


def unreadable(message: str) -> QueryError:
    """The engine's complaint about a query as an error of ours, with its line and column.

    The place may be a few letters late: the engine reads the length of a keyword ahead.

    >>> str(unreadable("error at 1:7: expected one of ..."))
    'line 1, column 7: expected one of ...'
    """
    place = _POSITION.match(message)
    if place is None:
        return QueryError(message)
    return QueryError(message[place.end() :], line=int(place[1]), column=int(place[2]))
