"""What was added and removed between two states of data, blank nodes matched by what is said of them."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyoxigraph as ox

from cnrs_graph.dataset import Dataset, canonical, load, load_as

#: A statement with its graph ("" when graphs do not count), each term as N-Triples has it.
Statement = tuple[str, str, str, str]
_Names = Mapping[str, str]


@dataclass(frozen=True)
class Difference:
    """Statements as lines of N-Quads, sorted; a blank node that is on both sides has one name there."""

    added: tuple[str, ...]
    removed: tuple[str, ...]


def difference(before: Path, after: Path, *, base: str, graphs: bool = False) -> Difference:
    """Compare two files or folders, triple by triple; with *graphs*, in which graph each stands too.

    Raises: SourceError when one of them cannot be read or parsed.
    """
    alone = before.is_file() and after.is_file()
    old, new = (_read(path, base, alone=alone) for path in (before, after))
    return compared(old.quads, new.quads, graphs=graphs)


def compared(old: Iterable[ox.Quad], new: Iterable[ox.Quad], *, graphs: bool = False) -> Difference:
    """Compare statements.

    Equal graphs have no difference. Where they differ, blank nodes are matched by what is said of them, then
    by how much of it they share: an edit inside of one shows as that edit.
    Source: RDF 1.1 Concepts, section 3.6 (isomorphism); RDF Dataset Canonicalization, where likeness alone
    does not tell blank nodes apart.
    """
    before, after = _statements(old, graphs=graphs), _statements(new, graphs=graphs)
    left, right = _matched(before, after)
    gone, come = _renamed(before, left), _renamed(after, right)
    if gone != come and _alike(before, after) and _canonical(before) == _canonical(after):
        return Difference((), ())
    return Difference(_written(come - gone), _written(gone - come))


def difference_bytes(change: Difference, form: str) -> bytes:
    """A difference as text, with + and - before each line, or as JSON."""
    if form == "json":
        lines = {"added": change.added, "removed": change.removed}
        return f"{json.dumps(lines, ensure_ascii=False, indent=1)}\n".encode()
    marked = sorted([*((line, "+") for line in change.added), *((line, "-") for line in change.removed)])
    return "".join(f"{mark} {line}\n" for line, mark in marked).encode()


def _read(path: Path, base: str, *, alone: bool) -> Dataset:
    # Two files are compared under one name, whatever they are called.
    return load_as(path, base, f"{base}graph/file") if alone else load(path, base=base)


def _statements(quads: Iterable[ox.Quad], *, graphs: bool) -> set[Statement]:
    default = ox.DefaultGraph()
    return {
        (
            str(quad.subject),
            str(quad.predicate),
            str(quad.object),
            str(quad.graph_name) if graphs and quad.graph_name != default else "",
        )
        for quad in quads
    }


def _is_blank(term: str) -> bool:
    return term.startswith("_:")


def _about(statements: Iterable[Statement]) -> dict[str, list[Statement]]:
    """The statements that each blank node stands in."""
    about: dict[str, list[Statement]] = defaultdict(list)
    for statement in statements:
        for node in {term for term in (statement[0], statement[2]) if _is_blank(term)}:
            about[node].append(statement)
    return about


def _signs(about: Mapping[str, Sequence[Statement]]) -> dict[str, str]:
    """A sign for each blank node, equal for nodes of which the same is said, as far as one can see."""
    signs = dict.fromkeys(about, "")
    kinds = 1 if signs else 0
    while True:
        signs = {node: _digest(_seen_from(node, about[node], signs)) for node in about}
        found = len(set(signs.values()))
        if found <= kinds:
            return signs
        kinds = found


def _seen_from(node: str, statements: Iterable[Statement], names: _Names) -> list[str]:
    """The statements about a node, the node itself and others without a name left open."""

    def seen(term: str) -> str:
        if term == node:
            return "this"
        return f"_:{names.get(term, '')}" if _is_blank(term) else term

    return sorted(" ".join((seen(s), p, seen(o), g)) for s, p, o, g in statements)


def _digest(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _matched(before: set[Statement], after: set[Statement]) -> tuple[dict[str, str], dict[str, str]]:
    """Names for the blank nodes of both sides; nodes that belong together have the same one."""
    about = _about(before), _about(after)
    signs = _signs(about[0]), _signs(about[1])
    names: tuple[dict[str, str], dict[str, str]] = {}, {}
    by_sign = [_grouped(side) for side in signs]
    for sign, nodes in by_sign[0].items():
        for number, pair in enumerate(zip(nodes, by_sign[1].get(sign, ()), strict=False)):
            for side in (0, 1):
                names[side][pair[side]] = f"b{sign}n{number}"
    while pairs := list(_likest(about, names)):
        for old, new in pairs:
            names[0][old] = names[1][new] = f"b{signs[0][old]}m"
    for side in (0, 1):
        for node in about[side]:
            names[side].setdefault(node, f"b{signs[side][node]}x{side}{len(names[side])}")
    return names


def _grouped(signs: Mapping[str, str]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = defaultdict(list)
    for node in sorted(signs):
        groups[signs[node]].append(node)
    return groups


def _likest(
    about: tuple[Mapping[str, Sequence[Statement]], Mapping[str, Sequence[Statement]]],
    names: tuple[_Names, _Names],
) -> Iterator[tuple[str, str]]:
    """Nodes without a name yet that share statements with one on the other side, the likest first."""
    seen = [
        {
            node: frozenset(_seen_from(node, statements, names[side]))
            for node, statements in about[side].items()
            if node not in names[side]
        }
        for side in (0, 1)
    ]
    having: dict[str, list[str]] = defaultdict(list)
    for node, lines in seen[1].items():
        for line in lines:
            having[line].append(node)
    ranked = []
    for old, lines in seen[0].items():
        shared = Counter(new for line in lines for new in having.get(line, ()))
        ranked += [(-count / len(lines | seen[1][new]), old, new) for new, count in shared.items() if count]
    taken: set[str] = set()
    for _, old, new in sorted(ranked):
        if old not in taken and new not in taken:
            taken |= {old, new}
            yield old, new


def _renamed(statements: Iterable[Statement], names: _Names) -> set[Statement]:
    def name(term: str) -> str:
        return f"_:{names[term]}" if _is_blank(term) else term

    return {(name(s), p, name(o), g) for s, p, o, g in statements}


def _alike(before: set[Statement], after: set[Statement]) -> bool:
    """Whether what is said of blank nodes does not tell the two sides apart."""
    if len(before) != len(after):
        return False
    signs = [Counter(_signs(_about(side)).values()) for side in (before, after)]
    return signs[0] == signs[1]


def _canonical(statements: Iterable[Statement]) -> str:
    text = "".join(_written(statements, end="\n"))
    return canonical(list(ox.parse(input=text.encode(), format=ox.RdfFormat.N_QUADS)))


def _written(statements: Iterable[Statement], end: str = "") -> tuple[str, ...]:
    return tuple(
        sorted(f"{s} {p} {o} {g} .{end}" if g else f"{s} {p} {o} .{end}" for s, p, o, g in statements)
    )
