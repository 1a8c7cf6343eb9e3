"""What breaks a shape, whichever engine found it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cnrs_graph.shape_graph import Node, ShapeGraph, Text, iri
from cnrs_graph.terms import PREFIXES, Term

#: Texts by who says them ("constraint" or "shape") and by language, "" for none.
Messages = Mapping[str, Mapping[str, frozenset[str]]]


class UndecidedError(Exception):
    """Something that only the reference engine is sure about; it says what."""


@dataclass(frozen=True, slots=True)
class Breach:
    """A result: a focus node, the constraint of the shape that it breaks, and what it breaks it with.

    `path` is a node of the shapes, or the property that a constraint names; `component` is an IRI.
    """

    focus: Term
    shape: Node
    component: str
    severity: Node
    value: Term | None = None
    path: Node | None = None
    messages: Messages = field(default_factory=dict)
    constraint: Node | None = None
    details: tuple[Breach, ...] = ()


def messages_of(graph: ShapeGraph, node: Node, owner: str) -> Messages:
    """What a shape, or a constraint, has to say by language.

    Raises: UndecidedError if a message is no plain text.
    """
    texts: dict[str, set[str]] = {}
    for message in graph.objects(node, iri(f"{PREFIXES['sh']}message")):
        if not isinstance(message, Text) or message.datatype:
            raise UndecidedError("its message is no plain text")
        texts.setdefault(message.language or "", set()).add(str(message))
    return {owner: {language: frozenset(said) for language, said in texts.items()}} if texts else {}
