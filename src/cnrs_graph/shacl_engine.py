"""The SHACL engine, pySHACL, made to answer as the standard says, and quickly."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any, cast

from cnrs_graph.dataset import Dataset
from cnrs_graph.errors import ShapesError
from cnrs_graph.shapes import BOOLEANS, iri, shown
from cnrs_graph.terms import PREFIXES, to_rdflib

_SH = PREFIXES["sh"]
#: Between what a message is and its text; see `_with_marked_messages`.
MARK = "\x1f"


def run(data: Any, shapes: Any) -> Any:
    """Let pySHACL write its report on a data graph: no inference, no copy of the data, nothing fetched.

    Raises: ShapesError if it gives up.
    """
    from pyshacl.errors import ReportableRuntimeError, ShapeRecursionWarning
    from pyshacl.graph_abstraction import DataGraph
    from pyshacl.validator import Validator

    _teach_engine_to_fill_messages()
    # The validator itself rather than pyshacl.validate: that one follows owl:imports, hangs handlers on the
    # logger, swallows failures and sets rdflib back to rewriting literals.
    options = {
        "inplace": True,
        "inference": "none",
        "max_validation_depth": 30,
        "logger": logging.getLogger(__name__),
    }
    try:
        validator = Validator(
            DataGraph.from_rdflib(data), shacl_graph=_with_marked_messages(shapes), options=options
        )
        start: Any = validator.run
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ShapeRecursionWarning)  # shapes.without_effect has said so
            return start()[1]
    except (ReportableRuntimeError, NotImplementedError) as error:
        raise ShapesError(f"the shapes cannot be used: {_first_line(error)}") from error


def data_graph(dataset: Dataset) -> Any:
    """The statements of all graphs as one rdflib graph that reads each query once."""
    # rdflib prints a traceback for each literal that is not of its datatype; here that is a finding.
    logging.getLogger("rdflib.term").setLevel(logging.ERROR)
    graph = _caching_graph()
    for quad in dataset.quads:
        graph.add((to_rdflib(quad.subject), to_rdflib(quad.predicate), to_rdflib(quad.object)))
    return graph


def _caching_graph() -> Any:
    """A graph that reads each query once: pySHACL asks the same one anew for every focus node."""
    import rdflib

    class CachingGraph(rdflib.Graph):
        def query(self, query_object: Any, *args: Any, **options: Any) -> Any:
            read = _read_query(query_object) if isinstance(query_object, str) else query_object
            return super().query(read, *args, **options)

    return CachingGraph(bind_namespaces="none")


@lru_cache(maxsize=1024)
def _read_query(text: str) -> Any:
    from rdflib.plugins.sparql import prepareQuery

    return prepareQuery(text)


def _with_marked_messages(graph: Any) -> Any:
    """A copy of the shapes whose messages carry their language and owner inside the text.

    pySHACL drops the language of a message with variables, and gives the messages of a SPARQL constraint
    and of its shape together, where the standard lets the constraint's win.
    Source: SHACL, section 5.3.2, "Mapping of Solution Bindings to Result Properties".
    """
    import rdflib

    copy = rdflib.Graph(bind_namespaces="none")
    message, select = iri(f"{_SH}message"), iri(f"{_SH}select")
    booleans = {f"{_SH}{name}" for name in BOOLEANS}
    for subject, predicate, value in graph:
        if predicate == message and isinstance(value, rdflib.Literal):
            owner = "constraint" if (subject, select, None) in graph else "shape"
            value = rdflib.Literal(MARK.join((owner, value.language or "", str(value))))
        if str(predicate) in booleans and str(value) == "1":
            # The standard compares with the term true; pySHACL takes anything that Python does.
            value = rdflib.Literal("false", datatype=rdflib.XSD.boolean)
        copy.add((subject, predicate, value))
    return copy


@lru_cache(maxsize=1)
def _teach_engine_to_fill_messages() -> None:
    """Fill variables in as they are: pySHACL takes a value with a backslash for a replacement pattern."""
    from pyshacl.constraints.constraint_component import ConstraintComponent

    def fill(_: Any, message: str, bound: Any) -> str:
        values: dict[str, Any] = {}
        if isinstance(bound, Mapping):
            values = dict(bound)
        elif isinstance(bound, tuple | list):
            values = dict(bound[3]) if len(bound) == 4 else {}
            named = zip(("this", "path", "value"), bound, strict=False)
            values |= {name: value for name, value in named if value is not None}
        return re.sub(r"\{[?$](\w+)\}", lambda match: str(values.get(match[1], match[0])), message)

    setattr(ConstraintComponent, "_format_sparql_based_result_message", fill)  # noqa: B010


def engine_shapes(graph: Any) -> list[Any]:
    """The engine's own reading of the shapes, made from a copy because it adds to the graph.

    Raises: ReportableRuntimeError of the engine.
    """
    import rdflib
    from pyshacl.shapes_graph import ShapesGraph

    copy = rdflib.Graph(bind_namespaces="none")
    copy += graph
    return list(ShapesGraph(copy, logger=logging.getLogger(__name__)).shapes)


def unusable(graph: Any) -> Iterator[tuple[Any, str]]:
    """The shapes that the engine would refuse, each with the reason, in the order of their names.

    Raises: ShapesError if the engine cannot read the graph as shapes at all.
    """
    from pyshacl.errors import ReportableRuntimeError

    try:
        known = sorted(engine_shapes(graph), key=lambda shape: str(shape.node))
    except ReportableRuntimeError as error:
        raise ShapesError(f"the shapes cannot be used: {_first_line(error)}") from error
    for shape in known:
        for check in (_check_constraints, _check_queries):
            try:
                check(shape)
            except (ReportableRuntimeError, NotImplementedError, TypeError, ValueError) as error:
                yield shape.node, _first_line(error)


def _check_constraints(shape: Any) -> None:
    """Let the engine make each constraint of a shape: it refuses parameters it cannot use."""
    from pyshacl.constraints import CONSTRAINT_PARAMETERS_MAP
    from pyshacl.errors import ConstraintLoadWarning

    flags = "".join(shape.objects(iri(f"{_SH}flags")))
    for pattern in shape.objects(iri(f"{_SH}pattern")):
        try:
            re.compile(str(pattern), re.IGNORECASE if "i" in flags else 0)
        except re.error as error:
            raise ValueError(f"the pattern {shown(pattern)} is no regular expression: {error}") from error
    parameters = {predicate for predicate, _ in shape.sg.predicate_objects(shape.node)}
    for predicate in sorted(parameters & set(CONSTRAINT_PARAMETERS_MAP)):
        # What the engine only warns of, it leaves out; shapes.without_effect says so.
        with suppress(ConstraintLoadWarning):
            CONSTRAINT_PARAMETERS_MAP[predicate](shape)


def _check_queries(shape: Any) -> None:
    """Read each SPARQL constraint of a shape as the engine will.

    Raises: ValueError, or the engine's errors, with the reason.
    """
    from pyshacl.helper.sparql_query_helper import SPARQLQueryHelper
    from rdflib.term import Variable

    graph, helper_of = shape.sg.graph, cast("Any", SPARQLQueryHelper)
    for constraint in sorted(shape.objects(iri(f"{_SH}sparql")), key=str):
        text = str(graph.value(constraint, iri(f"{_SH}select")))
        helper = helper_of(shape, constraint, text)
        helper.collect_prefixes()
        _, text = helper.pre_bind_variables(iri("urn:x:this"))
        prologue = helper.apply_prefixes("").count("\n")
        try:
            algebra = _read_query(helper.apply_prefixes(text)).algebra
        except Exception as error:  # rdflib says unknown prefixes with nothing more special
            raise ValueError(f"its SPARQL query cannot be read: {_query_reason(error, prologue)}") from error
        if algebra.name != "SelectQuery" or Variable("this") not in algebra.PV:
            raise ValueError("its SPARQL query must be a SELECT that gives $this")
        if algebra.datasetClause:
            raise ValueError("its SPARQL query must not name other graphs with FROM")


def _query_reason(error: Exception, prologue: int) -> str:
    """The parser's reason, its line counted from the start of the query as written."""
    line, column = getattr(error, "lineno", None), getattr(error, "column", None)
    if line is None:
        return _first_line(error)
    return (
        f"line {max(1, line - prologue)}, column {column}: {getattr(error, 'msg', '') or 'not expected here'}"
    )


def _first_line(error: BaseException) -> str:
    """The first line of what an error says."""
    return str(error).strip().partition("\n")[0]
