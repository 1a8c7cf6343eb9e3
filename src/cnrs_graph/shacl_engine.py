"""The SHACL engine, pySHACL, made to answer as the standard says, and quickly."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import Any, cast

import pyoxigraph as ox

from cnrs_graph.breaches import Breach, Messages
from cnrs_graph.errors import ShapesError
from cnrs_graph.shape_graph import Node, ShapeGraph, iri, node_of, term_of
from cnrs_graph.shapes import BOOLEANS, is_blank, is_class, shown, targeted
from cnrs_graph.terms import PREFIXES, Term, to_oxigraph, to_rdflib

_SH, _RDF = PREFIXES["sh"], PREFIXES["rdf"]
_TARGETS = ("targetClass", "targetNode", "targetSubjectsOf", "targetObjectsOf")
#: Between what a message is and its text; see `_with_marked_messages`.
MARK = "\x1f"


def run(
    data: Any, shapes: ShapeGraph, only: Mapping[Node, Collection[Term] | None] | None = None
) -> list[Breach]:
    """Let pySHACL judge a data graph: no inference, no copy of the data, nothing fetched.

    With *only*, these shapes look at these nodes, or at all their targets for None, and others at nothing.
    Raises: ShapesError if it gives up.
    """
    from pyshacl.errors import ReportableRuntimeError, ShapeRecursionWarning
    from pyshacl.graph_abstraction import DataGraph
    from pyshacl.validator import Validator
    from rdflib.plugins.sparql.sparql import SPARQLError

    _teach_engine_to_fill_messages()
    # The validator itself rather than pyshacl.validate: that one follows owl:imports, hangs handlers on the
    # logger, swallows failures and sets rdflib back to rewriting literals.
    options = {
        "inplace": True,
        "inference": "none",
        "max_validation_depth": 30,
        "logger": logging.getLogger(__name__),
    }
    looking = shapes if only is None else _aimed(shapes, only)
    try:
        validator = Validator(
            DataGraph.from_rdflib(data), shacl_graph=_with_marked_messages(looking), options=options
        )
        start: Any = validator.run
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ShapeRecursionWarning)  # shapes.without_effect has said so
            report = start()[1]
    except (ReportableRuntimeError, NotImplementedError) as error:
        raise ShapesError(f"the shapes cannot be used: {_first_line(error)}") from error
    except (TypeError, ArithmeticError, SPARQLError, AttributeError) as error:
        # It stops where sh:lessThan meets values without order, and where a query sums what is no number
        # (rdflib hides that error behind an attribute that is not there).
        raise ShapesError(f"pySHACL cannot compare values: {_first_line(error)}") from error
    found = set(report.objects(None, _named("result"))) - set(report.objects(None, _named("detail")))
    return [_breach(report, node, shapes) for node in sorted(found)]


def is_of_datatype(literal: Term) -> bool:
    """Whether pySHACL takes a literal for well written in its own datatype."""
    from pyshacl.constraints.core.value_constraints import DatatypeConstraintComponent

    value = _quietly(literal)
    check: Any = DatatypeConstraintComponent._assert_actual_datatype
    return value.ill_typed is not True and bool(check(None, value, value.datatype))


def compared(term: Term, bound: Term) -> int | None:
    """How pySHACL sees a literal stand to a bound: -1, 0 or 1; None when they cannot be compared."""
    from pyshacl.rdfutil import compare

    one, other = _quietly(term), _quietly(bound)
    if isinstance(one.value, str) != isinstance(other.value, str):
        return None
    try:
        return int(cast("Any", compare).compare_literal(one, other))
    except (TypeError, NotImplementedError, ArithmeticError):
        return None


def ordered(term: Term, other: Term) -> int | None:
    """How pySHACL sees a value of sh:lessThan stand to another: -1, 0, or None for neither."""
    sides: list[Any] = [_quietly(each) for each in (term, other)]
    spelt = [
        str(s) if not hasattr(s, "value") else s.value if isinstance(s.value, str) else None for s in sides
    ]
    if (spelt[0] is None) != (spelt[1] is None):
        return None
    one, two = cast("list[Any]", sides if spelt[0] is None else spelt)
    try:
        return -1 if one < two else 0 if one <= two else None
    except (TypeError, ArithmeticError):
        return None


def _aimed(shapes: ShapeGraph, only: Mapping[Node, Collection[Term] | None]) -> ShapeGraph:
    """A copy of the shapes that looks at some nodes and at no others."""
    aims, kind = {iri(f"{_SH}{name}") for name in _TARGETS}, iri(f"{_RDF}type")
    restricted = {node for node in targeted(shapes) if only.get(node, ()) is not None}
    classes = {node for node in restricted if is_class(shapes, node)}
    copy = ShapeGraph(
        (subject, predicate, value)
        for subject, predicate, value in shapes
        if not (subject in restricted and (predicate in aims or (subject in classes and predicate == kind)))
    )
    for node in classes:
        form = "NodeShape" if (node, iri(f"{_SH}path"), None) not in shapes else "PropertyShape"
        copy.add((node, kind, iri(f"{_SH}{form}")))
    for node, focus_nodes in only.items():
        for each in focus_nodes or ():
            copy.add((node, iri(f"{_SH}targetNode"), node_of(each)))
    return copy


def _breach(report: Any, node: Any, shapes: ShapeGraph) -> Breach:
    """Read a result of the engine's report."""
    shape, path, constraint = (
        _node(report.value(node, _named(name))) for name in ("sourceShape", "resultPath", "sourceConstraint")
    )
    value = report.value(node, _named("value"))
    return Breach(
        focus=to_oxigraph(report.value(node, _named("focusNode"))),
        shape=cast("Node", shape),
        component=str(report.value(node, _named("sourceConstraintComponent"))),
        severity=cast("Node", _node(report.value(node, _named("resultSeverity")))),
        value=None if value is None else to_oxigraph(value),
        # The path of a report is a copy of the shape's.
        path=shapes.value(shape, iri(f"{_SH}path")) if is_blank(path) else path,
        messages=_messages(report, node),
        constraint=constraint,
        details=tuple(
            _breach(report, each, shapes) for each in sorted(report.objects(node, _named("detail")))
        ),
    )


def _messages(report: Any, node: Any) -> Messages:
    """The messages of a result by who says them and by language."""
    found: dict[str, dict[str, set[str]]] = {}
    for literal in report.objects(node, _named("resultMessage")):
        owner, mark, rest = str(literal).partition(MARK)
        if mark:
            language, _, text = rest.partition(MARK)
            found.setdefault(owner, {}).setdefault(language, set()).add(text)
    return {
        owner: {language: frozenset(texts) for language, texts in said.items()}
        for owner, said in found.items()
    }


def _node(node: Any) -> Node | None:
    return None if node is None else node_of(to_oxigraph(node))


def _named(name: str) -> Any:
    return to_rdflib(term_of(iri(f"{_SH}{name}")))


def _rdflib_graph(shapes: ShapeGraph) -> Any:
    import rdflib

    graph = rdflib.Graph(bind_namespaces="none")
    for triple in shapes:
        graph.add(tuple(to_rdflib(term_of(node)) for node in triple))
    return graph


def data_graph(quads: Iterable[ox.Quad]) -> Any:
    """The statements of all graphs as one rdflib graph that reads each query once."""
    graph = _caching_graph()
    with _silence():
        for quad in quads:
            graph.add((to_rdflib(quad.subject), to_rdflib(quad.predicate), to_rdflib(quad.object)))
    return graph


@contextmanager
def _silence() -> Iterator[None]:
    """Keep rdflib quiet: to it a literal that is not of its datatype is a traceback, here it is a finding."""
    logging.getLogger("rdflib.term").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield


def _quietly(term: Term) -> Any:
    with _silence():
        return to_rdflib(term)


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


def _with_marked_messages(shapes: ShapeGraph) -> Any:
    """The shapes with messages that carry their language and owner inside the text.

    pySHACL drops the language of a message with variables, and gives the messages of a SPARQL constraint
    and of its shape together, where the standard lets the constraint's win.
    Source: SHACL, section 5.3.2, "Mapping of Solution Bindings to Result Properties".
    """
    import rdflib

    graph = _rdflib_graph(shapes)
    for subject, predicate, value in list(graph.triples((None, _named("message"), None))):
        if isinstance(value, rdflib.Literal):
            owner = "constraint" if (subject, _named("select"), None) in graph else "shape"
            graph.remove((subject, predicate, value))
            marked = rdflib.Literal(MARK.join((owner, value.language or "", str(value))))
            graph.add((subject, predicate, marked))
    for name in BOOLEANS:
        for subject, predicate, value in list(graph.triples((None, _named(name), None))):
            if str(value) == "1":
                # The standard compares with the term true; pySHACL takes anything that Python does.
                graph.remove((subject, predicate, value))
                graph.add((subject, predicate, rdflib.Literal("false", datatype=rdflib.XSD.boolean)))
    return graph


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


def engine_shapes(graph: ShapeGraph) -> list[Any]:
    """The engine's own reading of the shapes.

    Raises: ReportableRuntimeError of the engine.
    """
    from pyshacl.shapes_graph import ShapesGraph

    return list(ShapesGraph(_rdflib_graph(graph), logger=logging.getLogger(__name__)).shapes)


def unusable(graph: ShapeGraph) -> Iterator[tuple[Node, str]]:
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
                yield cast("Node", _node(shape.node)), _first_line(error)


def _check_constraints(shape: Any) -> None:
    """Let the engine make each constraint of a shape: it refuses parameters it cannot use."""
    from pyshacl.constraints import CONSTRAINT_PARAMETERS_MAP
    from pyshacl.errors import ConstraintLoadWarning

    flags = "".join(shape.objects(_named("flags")))
    for pattern in shape.objects(_named("pattern")):
        try:
            re.compile(str(pattern), re.IGNORECASE if "i" in flags else 0)
        except re.error as error:
            raise ValueError(
                f"the pattern {shown(node_of(to_oxigraph(pattern)))} is no regular expression: {error}"
            ) from error
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
    for constraint in sorted(shape.objects(_named("sparql")), key=str):
        text = str(graph.value(constraint, _named("select")))
        helper = helper_of(shape, constraint, text)
        helper.collect_prefixes()
        _, text = helper.pre_bind_variables(to_rdflib(term_of(iri("urn:x:this"))))
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
