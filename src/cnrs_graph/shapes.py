"""What shapes say, read from the graph they are written in."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyoxigraph as ox

from cnrs_graph import shape_graph
from cnrs_graph.terms import PREFIXES, compact, local_name, to_rdflib

_SH, _RDF, _RDFS, _OWL, _XSD = (PREFIXES[name] for name in ("sh", "rdf", "rdfs", "owl", "xsd"))
_DCTERMS = PREFIXES["dcterms"]
#: What makes a shape look at nodes.
TARGETS = ("targetClass", "targetNode", "targetSubjectsOf", "targetObjectsOf", "target")
#: From a shape to the shapes it is made of, one by one and in lists.
PARTS = ("property", "node", "not", "qualifiedValueShape")
PART_LISTS = ("and", "or", "xone")
#: What a shape may say in the SHACL namespace and the engine does not carry out.
NOT_CARRIED_OUT = frozenset(("target", "rule", "expression", "js", "values"))

#: What says something only beside another parameter.
_NEEDS_BESIDE: Mapping[str, str] = {
    "flags": "pattern",
    "qualifiedMinCount": "path",
    "qualifiedMaxCount": "path",
    "qualifiedValueShapesDisjoint": "path",
}
#: Parameters that count when their value is true, written so.
BOOLEANS = frozenset(("closed", "deactivated", "uniqueLang", "qualifiedValueShapesDisjoint"))
_LISTS = frozenset((*PART_LISTS, "in", "languageIn", "ignoredProperties"))
_NODES = frozenset((*PARTS, *TARGETS, "severity", "class", "datatype", "nodeKind")) - {"targetNode"}

#: Our own words for Core constraints without message, in English, French and Spanish: the engine's are in
#: English and their order varies.
_WORDING: Mapping[str, tuple[str, str, str, str]] = {
    "And": (
        "and",
        "does not conform to all of the shapes",
        "ne respecte pas toutes les formes",
        "no cumple todas las formas",
    ),
    "Class": ("class", "is not a {}", "n'est pas un {}", "no es un {}"),
    "Closed": ("closed", "is not allowed here", "n'est pas admis ici", "no se admite aquí"),
    "Datatype": ("datatype", "is not a valid {}", "n'est pas un {} valide", "no es un {} válido"),
    "Disjoint": (
        "disjoint",
        "must differ from the values of {}",
        "doit différer des valeurs de {}",
        "debe diferir de los valores de {}",
    ),
    "Equals": (
        "equals",
        "must be the same as the values of {}",
        "doit être identique aux valeurs de {}",
        "debe ser igual a los valores de {}",
    ),
    "HasValue": ("hasValue", "lacks the value {}", "n'a pas la valeur {}", "no tiene el valor {}"),
    "In": ("in", "is not one of {}", "n'est pas dans la liste {}", "no está en la lista {}"),
    "LanguageIn": (
        "languageIn",
        "its language is not one of {}",
        "sa langue n'est pas dans la liste {}",
        "su idioma no está en la lista {}",
    ),
    "LessThan": ("lessThan", "is not less than {}", "n'est pas inférieur à {}", "no es menor que {}"),
    "LessThanOrEquals": ("lessThanOrEquals", "is more than {}", "est supérieur à {}", "es mayor que {}"),
    "MaxCount": ("maxCount", "allows at most {}", "admet au plus {}", "admite como máximo {}"),
    "MaxExclusive": ("maxExclusive", "is not less than {}", "n'est pas inférieur à {}", "no es menor que {}"),
    "MaxInclusive": ("maxInclusive", "is more than {}", "est supérieur à {}", "es mayor que {}"),
    "MaxLength": (
        "maxLength",
        "is longer than {} characters",
        "a plus de {} caractères",
        "tiene más de {} caracteres",
    ),
    "MinCount": ("minCount", "needs at least {}", "demande au moins {}", "requiere al menos {}"),
    "MinExclusive": ("minExclusive", "is not more than {}", "n'est pas supérieur à {}", "no es mayor que {}"),
    "MinInclusive": ("minInclusive", "is less than {}", "est inférieur à {}", "es menor que {}"),
    "MinLength": (
        "minLength",
        "is shorter than {} characters",
        "a moins de {} caractères",
        "tiene menos de {} caracteres",
    ),
    "Node": ("node", "does not conform to {}", "ne respecte pas {}", "no cumple {}"),
    "NodeKind": ("nodeKind", "is not a {}", "n'est pas un {}", "no es un {}"),
    "Not": ("not", "must not conform to {}", "ne doit pas respecter {}", "no debe cumplir {}"),
    "Or": (
        "or",
        "conforms to none of the shapes",
        "ne respecte aucune des formes",
        "no cumple ninguna de las formas",
    ),
    "Pattern": (
        "pattern",
        "does not match the pattern {}",
        "ne correspond pas au motif {}",
        "no corresponde al patrón {}",
    ),
    "QualifiedMaxCount": (
        "qualifiedMaxCount",
        "allows at most {} of the given kind",
        "admet au plus {} du genre demandé",
        "admite como máximo {} del tipo pedido",
    ),
    "QualifiedMinCount": (
        "qualifiedMinCount",
        "needs at least {} of the given kind",
        "demande au moins {} du genre demandé",
        "requiere al menos {} del tipo pedido",
    ),
    "SPARQL": (
        "sparql",
        "breaks the rule of this shape",
        "enfreint la règle de cette forme",
        "incumple la regla de esta forma",
    ),
    "UniqueLang": (
        "uniqueLang",
        "has several values in one language",
        "a plusieurs valeurs dans une langue",
        "tiene varios valores en un idioma",
    ),
    "Xone": (
        "xone",
        "does not conform to exactly one of the shapes",
        "ne respecte pas exactement une des formes",
        "no cumple exactamente una de las formas",
    ),
}


def shape_nodes(graph: Any) -> list[Any]:
    """Every node that is used as a shape, sorted."""
    nodes = {
        node
        for name in ("NodeShape", "PropertyShape")
        for node in graph.subjects(iri(f"{_RDF}type"), iri(f"{_SH}{name}"))
    }
    nodes |= {node for name in TARGETS for node in graph.subjects(iri(f"{_SH}{name}"), None)}
    nodes |= {node for name in PARTS for node in graph.objects(None, iri(f"{_SH}{name}"))}
    nodes |= {node for name in ("property", "node") for node in graph.subjects(iri(f"{_SH}{name}"), None)}
    for name in PART_LISTS:
        for head in graph.objects(None, iri(f"{_SH}{name}")):
            nodes |= set(items_of(graph, head))
    return sorted((node for node in nodes if not is_literal(node)), key=str)


def targeted(graph: Any) -> list[Any]:
    """The shapes that look at something of their own accord, sorted."""
    names = ("targetClass", "targetNode", "targetSubjectsOf", "targetObjectsOf")
    nodes = {each for name in names for each in graph.subjects(iri(f"{_SH}{name}"))}
    nodes |= {each for each in shape_nodes(graph) if is_class(graph, each)}
    return sorted(nodes, key=str)


def is_off(graph: Any, node: Any) -> bool:
    """Whether a shape is deactivated."""
    return any(str(each) == "true" for each in graph.objects(node, iri(f"{_SH}deactivated")))


def is_class(graph: Any, node: Any) -> bool:
    """Whether a shape is a class, whose instances it looks at."""
    classes = {iri(f"{_RDFS}Class"), iri(f"{_OWL}Class")}
    classes |= set(graph.subjects(iri(f"{_RDFS}subClassOf"), iri(f"{_RDFS}Class")))
    return not classes.isdisjoint(graph.objects(node, iri(f"{_RDF}type")))


def shapes_below(graph: Any, shape: Any) -> list[Any]:
    """The shapes a shape is made of, nearest first."""
    found: list[Any] = []
    waiting = [shape]
    while waiting:
        current = waiting.pop(0)
        parts = [part for name in PARTS for part in graph.objects(current, iri(f"{_SH}{name}"))]
        for name in PART_LISTS:
            for head in graph.objects(current, iri(f"{_SH}{name}")):
                parts += items_of(graph, head)
        new = [part for part in sorted(parts, key=str) if part not in found and part != shape]
        found += new
        waiting += new
    return found


def shapes_above(graph: Any, shape: Any) -> list[Any]:
    """The shapes that use a shape, nearest first."""
    found: list[Any] = []
    waiting = [shape]
    while waiting:
        current = waiting.pop(0)
        users = [user for name in PARTS for user in graph.subjects(iri(f"{_SH}{name}"), current)]
        for cell in graph.subjects(iri(f"{_RDF}first"), current):
            heads = graph.transitive_subjects(iri(f"{_RDF}rest"), cell)
            users += [
                user
                for head in heads
                for name in PART_LISTS
                for user in graph.subjects(iri(f"{_SH}{name}"), head)
            ]
        new = [user for user in sorted(users, key=str) if user not in found and user != shape]
        found += new
        waiting += new
    return found


def shape_iri(graph: Any, shape: Any) -> str:
    """The IRI of a shape; for one without, that of the nearest shape that uses it."""
    return next((str(node) for node in (shape, *shapes_above(graph, shape)) if is_iri(node)), "")


def rule_of(graph: Any, shape: Any) -> str:
    """The short handle of a shape: its own or its nearest user's dcterms:identifier, else a local name."""
    family = [shape, *shapes_above(graph, shape)]
    for node in family:
        identifier = first_value(graph, node, f"{_DCTERMS}identifier")
        if identifier is not None:
            return str(identifier)
    return local_name(shape_iri(graph, shape)) or "shape"


def targets_of(graph: Any, shape: Any) -> Iterator[str]:
    """What a shape looks at, in words; a shape that is itself a class looks at its instances."""
    for name in TARGETS:
        for target in sorted(graph.objects(shape, iri(f"{_SH}{name}")), key=str):
            yield f"sh:{name} {shown(target)}"
    types = set(graph.objects(shape, iri(f"{_RDF}type")))
    if types & {iri(f"{_RDFS}Class"), iri(f"{_OWL}Class")}:
        yield f"instances of {shown(shape)}"


def texts_of(graph: Any, nodes: Iterable[Any], predicates: Iterable[str]) -> Mapping[str, str]:
    """The texts that nodes have under these predicates, by language; the first predicate with any wins."""
    nodes = list(nodes)
    for predicate in predicates:
        texts: dict[str, list[str]] = {}
        for node in nodes:
            for literal in sorted(graph.objects(node, iri(predicate)), key=str):
                kept = texts.setdefault(getattr(literal, "language", None) or "", [])
                if str(literal) not in kept:
                    kept.append(str(literal))
        if texts:
            return {language: " ".join(parts) for language, parts in sorted(texts.items())}
    return {}


def first_value(graph: Any, node: Any, predicate: str) -> Any:
    """The first value of a property, in alphabetical order."""
    return min(graph.objects(node, iri(predicate)), key=str, default=None)


def values_of(graph: Any, shape: Any, parameter: str) -> str:
    """The values a shape gives a constraint parameter, lists in their own order."""
    values: list[str] = []
    for value in sorted(graph.objects(shape, iri(f"{_SH}{parameter}")), key=str):
        values += [shown(item) for item in items_of(graph, value) or [value]]
    return ", ".join(values[:12]) + (f" … ({len(values)})" if len(values) > 12 else "")


def default_messages(
    graph: Any, shape: Any, component: str, path: str, value: str | None
) -> Mapping[str, str]:
    """What to say, in each of our languages, of a constraint whose shape has no message."""
    words = _WORDING.get(component.removesuffix("ConstraintComponent"), _WORDING["SPARQL"])
    parameter, english, french, spanish = words
    asked = values_of(graph, shape, parameter)
    about = " ".join(part for part in (path, value) if part) if path else ""
    return {
        "en": f"{about or 'this node'} {english.format(asked)}",
        "fr": f"{about or 'ce nœud'} {french.format(asked)}",
        "es": f"{about or 'este nodo'} {spanish.format(asked)}",
    }


def imported_prefixes(graph: Any) -> list[tuple[Any, Any, Any]]:
    """The prefix declarations that queries may use because what they name imports what declares them.

    Source: SHACL, section 5.2.1: the prefixes of a query are those at sh:prefixes/owl:imports*/sh:declare.
    """
    declare, imports = iri(f"{_SH}declare"), iri(f"{_OWL}imports")
    return [
        (named, declare, declaration)
        for named in set(graph.objects(None, iri(f"{_SH}prefixes")))
        for imported in graph.transitive_objects(named, imports)
        for declaration in graph.objects(imported, declare)
    ]


def shown(node: Any) -> str:
    """A node for people: an IRI shortened, a text in quotes, a number bare."""
    if is_iri(node):
        return compact(str(node))
    if not is_literal(node):
        return "[…]"
    is_bare = re.fullmatch(r"[+-]?[0-9.]+|true|false", str(node)) and node.datatype is not None
    return str(node) if is_bare else f'"{node}"'


def turtle_of(graph: Any, nodes: Iterable[Any]) -> str:
    """The statements about nodes, and about the blank nodes they lead to, as Turtle."""
    import rdflib

    part = rdflib.Graph(bind_namespaces="none")
    for prefix, namespace in PREFIXES.items():
        part.bind(prefix, namespace, override=True, replace=True)
    for node in nodes:
        for predicate, value in graph.predicate_objects(node):
            part.add(_carried((node, predicate, value)))
            if is_blank(value):
                for triple in blank_triples(graph, value):
                    part.add(_carried(triple))
    return str(part.serialize(format="turtle")).strip() + "\n"


def _carried(triple: tuple[Any, Any, Any]) -> tuple[Any, Any, Any]:
    """A triple as rdflib has it."""
    subject, predicate, value = (to_rdflib(shape_graph.term_of(node)) for node in triple)
    return subject, predicate, value


def blank_triples(graph: Any, node: Any) -> Iterator[tuple[Any, Any, Any]]:
    """All that is said of a blank node, and of the blank nodes it leads to."""
    waiting, done = [node], set()
    while waiting:
        current = waiting.pop()
        if current in done:
            continue
        done.add(current)
        for predicate, value in sorted(graph.predicate_objects(current), key=str):
            yield current, predicate, value
            if is_blank(value):
                waiting.append(value)


def path_text(graph: Any, path: Any) -> str:
    """A property path the way SPARQL writes it, IRIs shortened."""
    if is_iri(path):
        return compact(str(path))
    items = items_of(graph, path)
    if items:
        return "/".join(path_text(graph, item) for item in items)
    for name, template in (
        ("inversePath", "^{}"),
        ("zeroOrMorePath", "{}*"),
        ("oneOrMorePath", "{}+"),
        ("zeroOrOnePath", "{}?"),
    ):
        inner = graph.value(path, iri(f"{_SH}{name}"))
        if inner is not None:
            text = path_text(graph, inner)
            return template.format(f"({text})" if re.search(r"[/|]", text) and not is_iri(inner) else text)
    choices = graph.value(path, iri(f"{_SH}alternativePath"))
    texts = [path_text(graph, item) for item in items_of(graph, choices)] if choices is not None else []
    return f"({'|'.join(texts)})"


def first_steps(graph: Any, path: Any) -> tuple[tuple[str, bool], ...]:
    """The properties a path may start with, each with whether it is walked backwards."""
    if path is None:
        return ()
    if is_iri(path):
        return ((str(path), False),)
    items = items_of(graph, path)
    if items:
        return first_steps(graph, items[0])
    inverse = graph.value(path, iri(f"{_SH}inversePath"))
    if inverse is not None:
        return tuple((name, not backward) for name, backward in first_steps(graph, inverse))
    for name in ("zeroOrMorePath", "oneOrMorePath", "zeroOrOnePath"):
        inner = graph.value(path, iri(f"{_SH}{name}"))
        if inner is not None:
            return first_steps(graph, inner)
    choices = graph.value(path, iri(f"{_SH}alternativePath"))
    return (
        tuple(step for item in items_of(graph, choices) for step in first_steps(graph, item))
        if choices
        else ()
    )


def mistakes(graph: Any, node: Any) -> Iterator[str]:
    """Say what is wrong with the structure of a shape."""
    paths = list(graph.objects(node, iri(f"{_SH}path")))
    types = set(graph.objects(node, iri(f"{_RDF}type")))
    is_property = iri(f"{_SH}PropertyShape") in types or (None, iri(f"{_SH}property"), node) in graph
    if is_property and len(paths) != 1:
        yield f"a property shape needs exactly one sh:path, this one has {len(paths)}"
    if paths and iri(f"{_SH}NodeShape") in types:
        yield "a node shape has no sh:path; make it a sh:PropertyShape, or give it one with sh:property"
    for path in paths:
        yield from _path_mistakes(graph, path)
    yield from _value_mistakes(graph, node)


def _value_mistakes(graph: Any, node: Any) -> Iterator[str]:
    for predicate, value in sorted(graph.predicate_objects(node), key=str):
        name = str(predicate).removeprefix(_SH)
        if name in _LISTS and not _is_list(graph, value):
            yield f"the value of sh:{name} must be a list, written ( … )"
        if name in PART_LISTS and value == iri(f"{_RDF}nil"):
            yield f"the list of sh:{name} is empty; it needs at least one shape"
        if name in BOOLEANS and str(getattr(value, "datatype", "")) != f"{_XSD}boolean":
            yield f"the value of sh:{name} must be true or false, not {shown(value)}"
        if name in _NODES and is_literal(value):
            yield f"the value of sh:{name} must be an IRI or a node, not the text {shown(value)}"
        if name == "message" and not is_literal(value):
            yield "a sh:message must be a text"


def _path_mistakes(graph: Any, path: Any) -> Iterator[str]:
    """What is wrong with a property path. Source: SHACL, section 2.3.1."""
    waiting: list[tuple[Any, tuple[Any, ...]]] = [(path, ())]
    while waiting:
        current, above = waiting.pop()
        if is_iri(current) and current != iri(f"{_RDF}nil"):
            continue
        if is_literal(current):
            yield f"a path is made of properties, not of the text {shown(current)}"
            continue
        if current in above:
            yield "the path leads back to itself"
            return
        parts = _path_parts(graph, current)
        if not parts:
            yield (
                "this is no property path; write a property, a list of two or more, or one of "
                "sh:inversePath, sh:alternativePath, sh:zeroOrMorePath, sh:oneOrMorePath, sh:zeroOrOnePath"
            )
        waiting += [(part, (*above, current)) for part in parts]


def _path_parts(graph: Any, path: Any) -> list[Any]:
    """The paths that a path which is no property is made of; none when it is ill-formed."""
    if (path, iri(f"{_RDF}first"), None) in graph:
        items = items_of(graph, path)
        return items if len(items) > 1 else []
    said = list(graph.predicate_objects(path))
    if len(said) != 1:
        return []
    name, value = local_name(str(said[0][0])), said[0][1]
    if name in ("inversePath", "zeroOrMorePath", "oneOrMorePath", "zeroOrOnePath"):
        return [value]
    items = items_of(graph, value) if name == "alternativePath" else []
    return items if len(items) > 1 else []


def items_of(graph: Any, head: Any) -> list[Any]:
    """The items of a list; none when it is no whole list."""
    return list(graph.items(head)) if _is_list(graph, head) else []


def _is_list(graph: Any, head: Any) -> bool:
    """Whether a node is a whole list, ending in rdf:nil, with one item in each cell."""
    first, rest, nil = (iri(f"{_RDF}{name}") for name in ("first", "rest", "nil"))
    seen = set()
    while head != nil:
        tails = list(graph.objects(head, rest))
        if head in seen or len(tails) != 1 or len(list(graph.objects(head, first))) != 1:
            return False
        seen.add(head)
        head = tails[0]
    return True


def without_effect(graph: Any) -> Iterator[str]:
    """Name what stands in the shapes and does nothing."""
    used = set(shape_nodes(graph))
    for subject, predicate, value in sorted(graph):
        reasons = [*_unknown_terms(predicate, value), *_idle(graph, subject, predicate, value, used)]
        yield from (f"{_owner(graph, subject)}: {reason}" for reason in reasons)
    for node in sorted(used - set(graph.objects(None, iri(f"{_SH}parameter"))), key=str):
        if not any(targets_of(graph, node)) and not shapes_above(graph, node):
            yield f"{shown(node)}: has no target and no shape uses it, so it looks at nothing"
    for node in sorted(used, key=str):
        if is_iri(node) and _leads_back(graph, node):
            yield f"{shown(node)}: leads back to itself, which SHACL leaves open; followed a few steps"


def _idle(graph: Any, subject: Any, predicate: Any, value: Any, used: set[Any]) -> Iterator[str]:
    """Why a statement with a term that SHACL defines has no effect where it stands."""
    name = str(predicate).removeprefix(_SH)
    beside = {local_name(str(each)) for each in graph.predicates(subject)} if name in _NEEDS_BESIDE else set()
    if name == "severity" and (None, iri(f"{_SH}sparql"), subject) in graph:
        yield "sh:severity on a SPARQL constraint is ignored; write it on the shape"
    if name in BOOLEANS and str(value) == "1":
        yield f'sh:{name} has the value "1" and not true, so it is ignored'
    if subject not in used:
        return
    if name in NOT_CARRIED_OUT:
        yield f"sh:{name} is beyond SHACL Core and SHACL-SPARQL, so it is ignored"
    if name in _NEEDS_BESIDE and _NEEDS_BESIDE[name] not in beside:
        yield f"sh:{name} says nothing without sh:{_NEEDS_BESIDE[name]} beside it, so it is ignored"


def _leads_back(graph: Any, shape: Any) -> bool:
    direct = any((shape, iri(f"{_SH}{name}"), shape) in graph for name in PARTS)
    return direct or not set(shapes_above(graph, shape)).isdisjoint(shapes_below(graph, shape))


def _owner(graph: Any, node: Any) -> str:
    """The name of what a node belongs to: itself, a shape, or the shape of a SPARQL constraint."""
    for shape in (node, *graph.subjects(iri(f"{_SH}sparql"), node)):
        name = shape_iri(graph, shape)
        if name:
            return compact(name)
    return "the shapes"


def _unknown_terms(predicate: Any, value: Any) -> Iterator[str]:
    defined = _shacl_terms()
    for term in (predicate, value) if is_iri(value) else (predicate,):
        name = str(term).removeprefix(_SH)
        if name != str(term) and name not in defined:
            near = difflib.get_close_matches(name, defined, n=1)
            hint = f"; did you mean sh:{near[0]}?" if near else ""
            effect = "it is ignored" if term is predicate else "nothing fits it"
            yield f"SHACL defines no sh:{name}, so {effect}{hint}"


@lru_cache(maxsize=1)
def _shacl_terms() -> tuple[str, ...]:
    """The names SHACL and its advanced features define, from the vocabulary that comes with the engine."""
    # The folder is looked up rather than imported: importing the engine takes longer than most validations.
    from importlib.util import find_spec

    engine = find_spec("pyshacl")
    folders = engine.submodule_search_locations if engine is not None else None
    vocabulary = Path((folders or ["."])[0], "assets", "shacl.ttl").read_bytes()
    subjects = {quad.subject for quad in ox.parse(input=vocabulary, format=ox.RdfFormat.TURTLE)}
    iris = (subject.value for subject in subjects if isinstance(subject, ox.NamedNode))
    return tuple(sorted(iri.removeprefix(_SH) for iri in iris if iri.startswith(_SH)))


def iri(text: str) -> Any:
    """An IRI as it stands in a graph of shapes."""
    return shape_graph.iri(text)


def is_iri(node: Any) -> bool:
    """Whether a node is an IRI."""
    return isinstance(node, shape_graph.Iri)


def is_blank(node: Any) -> bool:
    """Whether a node is a blank node."""
    return isinstance(node, shape_graph.Blank)


def is_literal(node: Any) -> bool:
    """Whether a node is a literal."""
    return isinstance(node, shape_graph.Text)
