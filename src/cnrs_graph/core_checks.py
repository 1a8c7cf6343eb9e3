"""SHACL Core over numbered terms: each shape becomes a few functions that say what a node breaks.

What is done here answers as pySHACL does, which a test holds it to over generated shapes and data. What it
would not answer alike, or is not sure to, is `UndecidedError`, and pySHACL is asked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import pyoxigraph as ox

from cnrs_graph.breaches import Breach, Messages, UndecidedError, messages_of
from cnrs_graph.literal_values import compared, is_of_datatype, ordered, words_of
from cnrs_graph.shape_graph import Blank, Iri, Node, ShapeGraph, Text, iri, term_of
from cnrs_graph.shapes import is_class, items_of
from cnrs_graph.statements import Statements, Steps
from cnrs_graph.terms import PREFIXES, Term

_SH, _RDF, _RDFS, _XSD, _OWL = (PREFIXES[name] for name in ("sh", "rdf", "rdfs", "xsd", "owl"))
_NIL, _FIRST = iri(f"{_RDF}nil"), iri(f"{_RDF}first")
#: How deep paths and shapes may lie in each other here; beyond, pySHACL says where it stops.
_DEPTH = 8

#: A constraint that a node breaks: shape, focus node, component, value, property (of sh:closed), details.
Broken: TypeAlias = tuple["CheckedShape", int, str, int | None, int | None, tuple[Any, ...]]
#: What a focus node and its value nodes break.
Check: TypeAlias = Callable[[int, Collection[int]], list[Broken]]
Walk: TypeAlias = Callable[[int], Collection[int]]


@dataclass(slots=True)
class CheckedShape:
    """A shape ready to be asked what a focus node breaks."""

    node: Node
    is_property: bool
    severity: Node
    messages: Messages
    path: Node | None = None
    walk: Walk | None = None
    checks: list[Check] = field(default_factory=list)
    queries: tuple[Node, ...] = ()

    def broken(self, focus: int) -> list[Broken]:
        """What a focus node breaks."""
        values: Collection[int] = (focus,) if self.walk is None else self.walk(focus)
        found: list[Broken] = []
        for check in self.checks:
            more = check(focus, values)
            if more:
                found += more
        return found

    def holds(self, focus: int) -> bool:
        """Whether a focus node breaks nothing."""
        values: Collection[int] = (focus,) if self.walk is None else self.walk(focus)
        return not any(check(focus, values) for check in self.checks)


class Checks:
    """The shapes of a graph over some statements; make all shapes first, then fill the statements."""

    def __init__(self, graph: ShapeGraph, data: Statements) -> None:
        self.graph = graph
        self.data = data
        self._made: dict[Node, CheckedShape] = {}
        self._open: list[Node] = []
        self._foreign = {
            path
            for parameter in graph.objects(None, iri(f"{_SH}parameter"))
            for path in graph.objects(parameter, iri(f"{_SH}path"))
        }

    def shape(self, node: Node) -> CheckedShape:
        """A shape, made once.

        Raises: UndecidedError with the reason, when pySHACL must be asked.
        """
        if node in self._open:
            raise UndecidedError("it leads back to itself")
        if len(self._open) > _DEPTH:
            raise UndecidedError("its shapes lie too deep in each other")
        if node not in self._made:
            self._open.append(node)
            try:
                self._made[node] = self._make(node)
            finally:
                self._open.pop()
        return self._made[node]

    def targets(self, node: Node) -> Callable[[], set[int]]:
        """What a shape looks at, to be asked when the statements are filled."""
        data, graph = self.data, self.graph
        named = {data.number(term_of(each)) for each in graph.objects(node, iri(f"{_SH}targetNode"))}
        kinds = [str(each) for each in graph.objects(node, iri(f"{_SH}targetClass"))]
        kinds += [str(node)] if is_class(graph, node) else []
        data.classes()
        ends = [data.forward(str(each)) for each in graph.objects(node, iri(f"{_SH}targetSubjectsOf"))]
        ends += [data.backward(str(each)) for each in graph.objects(node, iri(f"{_SH}targetObjectsOf"))]
        return lambda: named.union(
            *(data.instances(kind) for kind in kinds), *(steps.keys() for steps in ends)
        )

    def breach(self, broken: Broken) -> Breach:
        """What a node breaks, told with terms."""
        shape, focus, component, value, path, details = broken
        terms = self.data.terms
        return Breach(
            focus=terms[focus],
            shape=shape.node,
            component=f"{_SH}{component}ConstraintComponent",
            severity=shape.severity,
            value=None if value is None else terms[value],
            path=shape.path if path is None else iri(words_of(terms[path])),
            messages=shape.messages,
            details=tuple(self.breach(each) for each in details),
        )

    def _make(self, node: Node) -> CheckedShape:
        if isinstance(node, Text):
            raise UndecidedError("a text stands for a shape")
        paths = self._all(node, "path")
        if len(paths) > 1:
            raise UndecidedError("it has several paths")
        severities = self._all(node, "severity")
        if len(severities) > 1:
            raise UndecidedError("it has several severities")
        shape = CheckedShape(
            node=node,
            is_property=bool(paths),
            severity=severities[0] if severities else iri(f"{_SH}Violation"),
            messages=messages_of(self.graph, node, "shape"),
            path=paths[0] if paths else None,
            walk=self._walk(paths[0]) if paths else None,
        )
        if self._flag(node, "deactivated"):
            return shape
        said = {predicate for predicate, _ in self.graph.predicate_objects(node)}
        if said & self._foreign:
            raise UndecidedError("it uses a constraint component of somebody's own")
        names = {str(each).removeprefix(_SH) for each in said if each.startswith(_SH)}
        for name, main in _COMPANIONS.items():
            if name in names and main not in names:
                raise UndecidedError(f"it has sh:{name} without sh:{main}")
        for name in sorted(names & _MAKERS.keys()):
            shape.checks += _MAKERS[name](self, shape)
        shape.queries = tuple(self._all(node, "sparql"))
        return shape

    # What a shape says of itself

    def _all(self, node: Node, name: str) -> list[Any]:
        return list(self.graph.objects(node, iri(f"{_SH}{name}")))

    def _one(self, node: Node, name: str) -> Any:
        values = self._all(node, name)
        if len(values) != 1:
            raise UndecidedError(f"it has several values of sh:{name}")
        return values[0]

    def _iris(self, node: Node, name: str) -> list[Iri]:
        values = self._all(node, name)
        if not all(isinstance(value, Iri) for value in values):
            raise UndecidedError(f"sh:{name} has a value that is no IRI")
        return values

    def _flag(self, node: Node, name: str) -> bool:
        values = self._all(node, name)
        if not values:
            return False
        value = self._one(node, name)
        if (
            not isinstance(value, Text)
            or value.datatype != iri(f"{_XSD}boolean")
            or str(value) not in _BOOLEANS
        ):
            raise UndecidedError(f"sh:{name} is neither true nor false")
        return str(value) == "true"

    def _count(self, node: Node, name: str) -> int:
        value = self._one(node, name)
        if not _is_count(value):
            raise UndecidedError(f"sh:{name} is no whole number")
        return int(value)

    def _list(self, node: Node, name: str) -> list[Any]:
        head = self._one(node, name)
        items = items_of(self.graph, head)
        if not items and head != _NIL:
            raise UndecidedError(f"sh:{name} is no list")
        return items

    def _parts(self, node: Node, name: str) -> list[CheckedShape]:
        """The shapes that a shape names with a parameter."""
        return [self._part(each) for each in self._all(node, name)]

    def _part(self, node: Node) -> CheckedShape:
        part = self.shape(node)
        if part.queries:
            raise UndecidedError("a shape with a SPARQL constraint lies inside it")
        return part

    def _lists_of_parts(self, node: Node, name: str) -> list[list[CheckedShape]]:
        lists = [items_of(self.graph, head) for head in self._all(node, name)]
        if not all(lists):
            raise UndecidedError(f"sh:{name} is no list of shapes")
        return [[self._part(each) for each in items] for items in lists]

    def _number(self, node: Node) -> int:
        return self.data.number(term_of(node))

    # Paths

    def _walk(self, path: Node, depth: int = 0) -> Walk:
        """A path as a function from a node to the nodes it leads to. Source: SHACL, section 2.3.1."""
        if depth >= _DEPTH:
            raise UndecidedError("its path is too deep")
        if isinstance(path, Iri) and path != _NIL:
            return _along(self.data.forward(str(path)))
        if not isinstance(path, Blank):
            raise UndecidedError("its path is no path")
        if (path, _FIRST, None) in self.graph:
            items = items_of(self.graph, path)
            if len(items) < 2 or depth + len(items) > _DEPTH:
                raise UndecidedError("its path is a list of less than two, or of too many")
            return _in_turn([self._walk(item, depth + at + 1) for at, item in enumerate(items)])
        said = list(self.graph.predicate_objects(path))
        name = str(said[0][0]).removeprefix(_SH) if len(said) == 1 else ""
        if name == "inversePath" and isinstance(said[0][1], Iri):
            return _along(self.data.backward(str(said[0][1])))
        if name == "alternativePath":
            items = items_of(self.graph, said[0][1])
            if len(items) < 2:
                raise UndecidedError("its path has less than two alternatives")
            return _any_of([self._walk(item, depth + 1) for item in items])
        if name in _REPEATED:
            return _REPEATED[name](self._walk(said[0][1], depth + 1))
        raise UndecidedError("its path goes backwards over more than one property, or is no path")


# Paths ----------------------------------------------------------------------------------------------------


def _along(steps: Steps) -> Walk:
    nowhere: tuple[int, ...] = ()
    return lambda node: steps.get(node, nowhere)


def _in_turn(walks: list[Walk]) -> Walk:
    def walk(node: int) -> Collection[int]:
        nodes: Collection[int] = walks[0](node)
        for each in walks[1:]:
            if len(nodes) == 1:
                (only,) = nodes
                nodes = each(only)
            else:
                nodes = {end for start in nodes for end in each(start)}
        return nodes

    return walk


def _any_of(walks: list[Walk]) -> Walk:
    return lambda node: {end for walk in walks for end in walk(node)}


def _zero_or_more(walk: Walk) -> Walk:
    def closure(node: int) -> Collection[int]:
        found, waiting = {node}, [node]
        while waiting:
            new = [end for end in walk(waiting.pop()) if end not in found]
            found.update(new)
            waiting += new
        return found

    return closure


def _one_or_more(walk: Walk) -> Walk:
    closure = _zero_or_more(walk)
    return lambda node: {end for start in walk(node) for end in closure(start)}


def _zero_or_one(walk: Walk) -> Walk:
    return lambda node: {node, *walk(node)}


_REPEATED: dict[str, Callable[[Walk], Walk]] = {
    "zeroOrMorePath": _zero_or_more,
    "oneOrMorePath": _one_or_more,
    "zeroOrOnePath": _zero_or_one,
}

# Constraints ----------------------------------------------------------------------------------------------

Maker: TypeAlias = Callable[[Checks, CheckedShape], Iterable[Check]]


def _each(shape: CheckedShape, component: str, breaks: Callable[[int], bool]) -> Check:
    """One result for each value node that breaks something."""
    return lambda focus, values: [
        (shape, focus, component, value, None, ()) for value in values if breaks(value)
    ]


def _whole(shape: CheckedShape, component: str, breaks: Callable[[Collection[int]], bool]) -> Check:
    """One result for the focus node."""
    return lambda focus, values: [(shape, focus, component, None, None, ())] if breaks(values) else []


def _class(checks: Checks, shape: CheckedShape) -> Iterator[Check]:
    checks.data.classes()
    for kind in checks._iris(shape.node, "class"):
        yield _each(shape, "Class", _is_no(checks.data, str(kind)))


def _is_no(data: Statements, kind: str) -> Callable[[int], bool]:
    return lambda value: value not in data.instances(kind)


def _datatype(checks: Checks, shape: CheckedShape) -> Iterator[Check]:
    wanted = checks._one(shape.node, "datatype")
    if not isinstance(wanted, Iri) or str(wanted) in (f"{_RDFS}Literal", f"{_RDFS}Datatype"):
        raise UndecidedError("sh:datatype is no datatype of one literal")
    known: dict[int, bool] = {}

    def breaks(value: int) -> bool:
        wrong = known.get(value)
        if wrong is None:
            wrong = known[value] = not is_of_datatype(checks.data.terms[value], str(wanted))
        return wrong

    yield _each(shape, "Datatype", breaks)


def _node_kind(checks: Checks, shape: CheckedShape) -> Iterator[Check]:
    kinds = _KINDS.get(str(checks._one(shape.node, "nodeKind")).removeprefix(_SH))
    if kinds is None:
        raise UndecidedError("sh:nodeKind is none of the six")
    yield _each(shape, "NodeKind", lambda value: type(checks.data.terms[value]) not in kinds)


def _min_count(checks: Checks, shape: CheckedShape) -> Iterator[Check]:
    _needs_path(shape, "minCount")
    least = _integer(checks, shape, "minCount")
    yield _whole(shape, "MinCount", lambda values: len(values) < least)


def _max_count(checks: Checks, shape: CheckedShape) -> Iterator[Check]:
    _needs_path(shape, "maxCount")
    most = _integer(checks, shape, "maxCount")
    yield _whole(shape, "MaxCount", lambda values: len(values) > most)


def _integer(checks: Checks, shape: CheckedShape, name: str) -> int:
    count = checks._count(shape.node, name)
    if checks._one(shape.node, name).datatype != iri(f"{_XSD}integer"):
        raise UndecidedError(f"sh:{name} is no xsd:integer")
    return count


def _range(name: str, component: str, sign: int, inclusive: bool) -> Maker:  # noqa: FBT001 - a row of a table
    def make(checks: Checks, shape: CheckedShape) -> Iterator[Check]:
        for bound in checks._all(shape.node, name):
            if not isinstance(bound, Text):
                raise UndecidedError(f"sh:{name} is no literal")
            yield _each(shape, component, _outside(checks.data, term_of(bound), sign, inclusive))

    return make


def _outside(data: Statements, bound: Term, sign: int, inclusive: bool) -> Callable[[int], bool]:  # noqa: FBT001
    known: dict[int, bool] = {}

    def breaks(value: int) -> bool:
        wrong = known.get(value)
        if wrong is None:
            order = compared(data.terms[value], bound)
            wrong = known[value] = not (order == sign or (inclusive and order == 0))
        return wrong

    return breaks


def _length(name: str, component: str, breaks: Callable[[int, int], bool]) -> Maker:
    def make(checks: Checks, shape: CheckedShape) -> Iterator[Check]:
        terms, limit = checks.data.terms, checks._count(shape.node, name)
        if name == "minLength" and limit == 0:
            return
        yield _each(
            shape,
            component,
            lambda value: type(terms[value]) is ox.BlankNode or breaks(len(words_of(terms[value])), limit),
        )

    return make


def _pattern(checks: Checks, shape: CheckedShape) -> Iterator[Check]:
    flags = checks._all(shape.node, "flags")
    if len(flags) > 1 or not all(isinstance(each, Text) for each in flags):
        raise UndecidedError("sh:flags is not one text")
    letters = str(flags[0]).lower() if flags else ""
    options = (re.IGNORECASE if "i" in letters else 0) | (re.MULTILINE if "m" in letters else 0)
    for pattern in checks._all(shape.node, "pattern"):
        if not isinstance(pattern, Text) or pattern.datatype:
            raise UndecidedError("sh:pattern is no text")
        try:
            search = re.compile(str(pattern), options).search
        except re.error as error:
            raise UndecidedError(f"sh:pattern is no regular expression: {error}") from error
        yield _each(shape, "Pattern", _unlike(checks.data, search))


def _unlike(data: Statements, search: Callable[[str], object]) -> Callable[[int], bool]:
    terms = data.terms
    return lambda value: type(terms[value]) is ox.BlankNode or not search(words_of(terms[value]))


def _language_in(checks: Checks, shape: CheckedShape) -> Iterator[Check]:
    tags = checks._list(shape.node, "languageIn")
    if not all(isinstance(tag, Text) and not tag.datatype for tag in tags):
        raise UndecidedError("sh:languageIn has a value that is no text")
    wanted, terms = {str(tag).lower() for tag in tags}, checks.data.terms

    def breaks(value: int) -> bool:
        term = terms[value]
        language = (term.language or "").lower() if isinstance(term, ox.Literal) else ""
        fits = "*" in wanted or language in wanted or language.partition("-")[0] in wanted
        return not (language and fits)

    yield _each(shape, "LanguageIn", breaks)


def _unique_lang(checks: Checks, shape: CheckedShape) -> Iterator[Check]:
    _needs_path(shape, "uniqueLang")
    terms = checks.data.terms

    def check(focus: int, values: Collection[int]) -> list[Broken]:
        if len(values) < 2:
            return []
        tags = [term.language for term in (terms[value] for value in values) if isinstance(term, ox.Literal)]
        tags = [tag.lower() for tag in tags if tag]
        doubled = {tag for tag in tags if tags.count(tag) > 1} if len(set(tags)) < len(tags) else ()
        return [(shape, focus, "UniqueLang", None, None, ()) for _ in doubled]

    if checks._flag(shape.node, "uniqueLang"):
        yield check


def _equals(checks: Checks, shape: CheckedShape) -> Iterator[Check]:
    _needs_path(shape, "equals")
    for other in checks._iris(shape.node, "equals"):
        yield _symmetric(shape, checks.data.forward(str(other)))


def _symmetric(shape: CheckedShape, steps: Steps) -> Check:
    def check(focus: int, values: Collection[int]) -> list[Broken]:
        others = steps.get(focus, ())
        differing = set(values).symmetric_difference(others)
        return [(shape, focus, "Equals", value, None, ()) for value in differing]

    return check


def _disjoint(checks: Checks, shape: CheckedShape) -> Iterator[Check]:
    for other in checks._iris(shape.node, "disjoint"):
        yield _common(shape, checks.data.forward(str(other)))


def _common(shape: CheckedShape, steps: Steps) -> Check:
    def check(focus: int, values: Collection[int]) -> list[Broken]:
        others = steps.get(focus)
        if not others:
            return []
        return [(shape, focus, "Disjoint", value, None, ()) for value in values if value in others]

    return check


def _less(name: str, component: str, fits: tuple[int, ...]) -> Maker:
    def make(checks: Checks, shape: CheckedShape) -> Iterator[Check]:
        _needs_path(shape, name)
        for other in checks._iris(shape.node, name):
            yield _before(shape, component, fits, checks.data, checks.data.forward(str(other)))

    return make


def _before(
    shape: CheckedShape, component: str, fits: tuple[int, ...], data: Statements, steps: Steps
) -> Check:
    terms = data.terms

    def check(focus: int, values: Collection[int]) -> list[Broken]:
        return [
            (shape, focus, component, value, None, ())
            for value in values
            for other in steps.get(focus, ())
            if ordered(terms[value], terms[other]) not in fits
        ]

    return check


def _has_value(checks: Checks, shape: CheckedShape) -> Iterator[Check]:
    for value in checks._all(shape.node, "hasValue"):
        yield _whole(shape, "HasValue", _lacks(checks._number(value)))


def _lacks(wanted: int) -> Callable[[Collection[int]], bool]:
    return lambda values: wanted not in values


def _in(checks: Checks, shape: CheckedShape) -> Iterator[Check]:
    allowed = {checks._number(each) for each in checks._list(shape.node, "in")}
    yield _each(shape, "In", lambda value: value not in allowed)


def _closed(checks: Checks, shape: CheckedShape) -> Iterator[Check]:
    node, data = shape.node, checks.data
    if len(checks._all(node, "ignoredProperties")) > 1:
        raise UndecidedError("it has several lists of sh:ignoredProperties")
    allowed = {path for each in checks._parts(node, "property") if (path := each.path) is not None}
    if checks._all(node, "ignoredProperties"):
        allowed.update(checks._list(node, "ignoredProperties"))
    if not checks._flag(node, "closed"):
        return
    numbers = {checks._number(each) for each in allowed if isinstance(each, Iri)}
    resource = (data.number(ox.NamedNode(f"{_RDF}type")), data.number(ox.NamedNode(f"{_RDFS}Resource")))
    about = data.about()

    def check(focus: int, values: Collection[int]) -> list[Broken]:
        return [
            (shape, focus, "Closed", said[1], said[0], ())
            for value in values
            for said in dict.fromkeys(about.get(value, ()))
            if said[0] not in numbers and said != resource
        ]

    yield check


def _node(checks: Checks, shape: CheckedShape) -> Iterator[Check]:
    for part in checks._parts(shape.node, "node"):
        if part.is_property:
            raise UndecidedError("sh:node names a property shape")
        yield _detailed(shape, part)


def _detailed(shape: CheckedShape, part: CheckedShape) -> Check:
    def check(focus: int, values: Collection[int]) -> list[Broken]:
        return [
            (shape, focus, "Node", value, None, tuple(details))
            for value in values
            if (details := part.broken(value))
        ]

    return check


def _property(checks: Checks, shape: CheckedShape) -> Iterator[Check]:
    for part in checks._parts(shape.node, "property"):
        if not part.is_property:
            raise UndecidedError("sh:property names a shape without sh:path")
        yield _passed_on(part)


def _passed_on(part: CheckedShape) -> Check:
    def check(_: int, values: Collection[int]) -> list[Broken]:
        if len(values) == 1:
            (only,) = values
            return part.broken(only)
        return [broken for value in values for broken in part.broken(value)]

    return check


def _not(checks: Checks, shape: CheckedShape) -> Iterator[Check]:
    for part in checks._parts(shape.node, "not"):
        yield _each(shape, "Not", part.holds)


def _counting(name: str, component: str, breaks: Callable[[Iterator[bool], int], bool]) -> Maker:
    """A constraint by how many of its shapes a value keeps."""

    def make(checks: Checks, shape: CheckedShape) -> Iterator[Check]:
        for parts in checks._lists_of_parts(shape.node, name):
            yield _each(shape, component, _judged(parts, breaks))

    return make


def _judged(
    parts: list[CheckedShape], breaks: Callable[[Iterator[bool], int], bool]
) -> Callable[[int], bool]:
    return lambda value: breaks((part.holds(value) for part in parts), len(parts))


def _qualified(checks: Checks, shape: CheckedShape) -> Iterator[Check]:
    _needs_path(shape, "qualifiedValueShape")
    node = shape.node
    limits: dict[str, int] = {
        name: checks._count(node, name)
        for name in ("qualifiedMinCount", "qualifiedMaxCount")
        if checks._all(node, name)
    }
    if not limits:
        raise UndecidedError("sh:qualifiedValueShape stands without a count")
    siblings: set[Node] = set()
    if checks._flag(node, "qualifiedValueShapesDisjoint"):
        siblings = set(_siblings(checks.graph, node))
    for each in checks._all(node, "qualifiedValueShape"):
        others = [checks._part(sibling) for sibling in siblings if sibling != each]
        yield _counted(shape, checks._part(each), others, limits)


def _siblings(graph: ShapeGraph, node: Node) -> Iterator[Node]:
    for parent in graph.subjects(iri(f"{_SH}property"), node):
        for each in graph.objects(parent, iri(f"{_SH}property")):
            yield from graph.objects(each, iri(f"{_SH}qualifiedValueShape"))


def _counted(
    shape: CheckedShape, part: CheckedShape, siblings: list[CheckedShape], limits: dict[str, int]
) -> Check:
    least, most = limits.get("qualifiedMinCount", 0), limits.get("qualifiedMaxCount")

    def check(focus: int, values: Collection[int]) -> list[Broken]:
        count = sum(
            part.holds(value) and not any(sibling.holds(value) for sibling in siblings) for value in values
        )
        found: list[Broken] = []
        if most is not None and count > most:
            found.append((shape, focus, "QualifiedMaxCount", None, None, ()))
        if count < least:
            found.append((shape, focus, "QualifiedMinCount", None, None, ()))
        return found

    return check


def _needs_path(shape: CheckedShape, name: str) -> None:
    if not shape.is_property:
        raise UndecidedError(f"sh:{name} stands on a shape without sh:path")


_BOOLEANS = {"true", "false"}
_KINDS: dict[str, tuple[type, ...]] = {
    "IRI": (ox.NamedNode,),
    "BlankNode": (ox.BlankNode,),
    "Literal": (ox.Literal,),
    "BlankNodeOrIRI": (ox.BlankNode, ox.NamedNode),
    "BlankNodeOrLiteral": (ox.BlankNode, ox.Literal),
    "IRIOrLiteral": (ox.NamedNode, ox.Literal),
}
#: What counts only beside another parameter, without which pySHACL refuses the shape.
_COMPANIONS = {
    "ignoredProperties": "closed",
    "qualifiedMinCount": "qualifiedValueShape",
    "qualifiedMaxCount": "qualifiedValueShape",
    "qualifiedValueShapesDisjoint": "qualifiedValueShape",
}
_MAKERS: dict[str, Maker] = {
    "class": _class,
    "datatype": _datatype,
    "nodeKind": _node_kind,
    "minCount": _min_count,
    "maxCount": _max_count,
    "minExclusive": _range("minExclusive", "MinExclusive", 1, inclusive=False),
    "minInclusive": _range("minInclusive", "MinInclusive", 1, inclusive=True),
    "maxExclusive": _range("maxExclusive", "MaxExclusive", -1, inclusive=False),
    "maxInclusive": _range("maxInclusive", "MaxInclusive", -1, inclusive=True),
    "minLength": _length("minLength", "MinLength", lambda length, limit: length < limit),
    "maxLength": _length("maxLength", "MaxLength", lambda length, limit: length > limit),
    "pattern": _pattern,
    "languageIn": _language_in,
    "uniqueLang": _unique_lang,
    "equals": _equals,
    "disjoint": _disjoint,
    "lessThan": _less("lessThan", "LessThan", (-1,)),
    "lessThanOrEquals": _less("lessThanOrEquals", "LessThanOrEquals", (-1, 0)),
    "hasValue": _has_value,
    "in": _in,
    "closed": _closed,
    "node": _node,
    "property": _property,
    "not": _not,
    "and": _counting("and", "And", lambda kept, _: not all(kept)),
    "or": _counting("or", "Or", lambda kept, _: not any(kept)),
    "xone": _counting("xone", "Xone", lambda kept, _: sum(kept) != 1),
    "qualifiedValueShape": _qualified,
}


def _is_count(value: Any) -> bool:
    is_integer = isinstance(value, Text) and str(value.datatype) in (
        f"{_XSD}integer",
        f"{_XSD}nonNegativeInteger",
    )
    return is_integer and re.fullmatch(r"[0-9]{1,9}", value) is not None
