"""What was probably meant by a name that is known nowhere."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import pyoxigraph as ox

from cnrs_graph.dataset import Dataset
from cnrs_graph.shapes import iri, is_iri
from cnrs_graph.terms import PREFIXES, compact, local_name
from cnrs_graph.validation import Hint, Result

_RDF, _RDFS, _OWL, _SH = (PREFIXES[name] for name in ("rdf", "rdfs", "owl", "sh"))
_TYPE = ox.NamedNode(f"{_RDF}type")
_DECLARED = frozenset(
    ox.NamedNode(name)
    for name in (
        f"{_RDF}Property",
        f"{_RDFS}Class",
        *(f"{_OWL}{kind}Property" for kind in ("Object", "Datatype", "Annotation")),
        f"{_OWL}Class",
    )
)
_NEAR = 0.75


def with_hints(
    results: Iterable[Result], said: Dataset, context: Dataset | None, shapes: Any
) -> tuple[Result, ...]:
    """The findings, each that may come from a misspelt name with the name that was probably meant.

    Graphs: a property or class is known when *said* or *context* declares it or a shape in *shapes* names it.
    """
    results = tuple(results)
    if not results:
        return ()
    subjects = {result.focus for result in results}
    declared: set[str] = set()
    used: dict[Any, set[str]] = {}
    for quad in said.quads:
        if quad.subject in subjects:
            used.setdefault(quad.subject, set()).update(_names(quad))
        if quad.predicate == _TYPE and quad.object in _DECLARED and isinstance(quad.subject, ox.NamedNode):
            declared.add(quad.subject.value)
    known = _known(declared, context, shapes)
    unknown = {focus: sorted(names - known.keys()) for focus, names in used.items()}
    return tuple(_hinted(result, unknown.get(result.focus, []), known) for result in results)


def _hinted(result: Result, unknown: list[str], known: Mapping[str, str]) -> Result:
    """A finding with its hint: on the name it blames, else on one that stands where another is missed."""
    value = result.value.value if isinstance(result.value, ox.NamedNode) else None
    for name in unknown:
        if name in (result.path, value):
            meant = _nearest(name, known)
            return replace(result, hint=Hint(compact(name), compact(meant))) if meant else result
    if result.value is None and result.path in known:
        for name in unknown:
            if _nearest(name, {result.path: known[result.path]}):
                return replace(result, hint=Hint(compact(name), compact(result.path)))
    return result


def _nearest(name: str, known: Mapping[str, str]) -> str | None:
    """The known name spelt most like this one; of several alike, one of the same vocabulary."""
    local = local_name(name).lower()
    near = difflib.get_close_matches(local, set(known.values()), n=1, cutoff=_NEAR)
    if not near:
        return None
    vocabulary = name.removesuffix(local_name(name))
    alike = sorted(each for each, spelt in known.items() if spelt == near[0])
    return next((each for each in alike if each.startswith(vocabulary)), alike[0])


def _known(names: set[str], context: Dataset | None, shapes: Any) -> Mapping[str, str]:
    """Every declared or expected property and class, with how it is spelt; *names* are declared."""
    names = set(names)
    for quad in context.quads if context is not None else ():
        if quad.predicate == _TYPE and quad.object in _DECLARED and isinstance(quad.subject, ox.NamedNode):
            names.add(quad.subject.value)
    for name in ("path", "inversePath", "zeroOrMorePath", "oneOrMorePath", "zeroOrOnePath"):
        for path in shapes.objects(None, iri(f"{_SH}{name}")):
            names.update(str(step) for step in (path, *shapes.items(path)) if is_iri(step))
    for name in ("targetClass", "class", "targetSubjectsOf", "targetObjectsOf"):
        names.update(str(each) for each in shapes.objects(None, iri(f"{_SH}{name}")) if is_iri(each))
    return {name: local_name(name).lower() for name in names | {_TYPE.value} if name.startswith("http")}


def _names(quad: ox.Quad) -> Iterable[str]:
    yield quad.predicate.value
    if quad.predicate == _TYPE and isinstance(quad.object, ox.NamedNode):
        yield quad.object.value
