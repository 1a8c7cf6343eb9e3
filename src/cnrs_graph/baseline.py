"""Findings that were accepted before: what tells them apart from new ones, and the file that keeps them."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyoxigraph as ox

from cnrs_graph.dataset import Dataset
from cnrs_graph.errors import ConfigError
from cnrs_graph.terms import Term
from cnrs_graph.validation import Result

_VERSION = 1
_DEPTH = 4


@dataclass(frozen=True)
class Split:
    """Findings held against a baseline: new ones, accepted ones, and how many of those are found no more."""

    new: tuple[Result, ...]
    #: The fingerprints of the new ones.
    prints: tuple[str, ...]
    accepted: tuple[Result, ...]
    gone: int


def fingerprints(results: Sequence[Result], said: Dataset) -> tuple[str, ...]:
    """What each finding is known by, run after run: rule, shape, constraint, thing, property and value.

    Neither place nor message counts, so a finding keeps its fingerprint when lines move, files are renamed or
    a message is worded anew. A blank node is known by what is said of it.
    """
    name = _namer(results, said)
    return tuple(_hashed(result, name) for result in results)


def split(results: Sequence[Result], prints: Sequence[str], accepted: Mapping[str, int]) -> Split:
    """Tell new findings from accepted ones; of findings with one fingerprint as many as were there before."""
    left = Counter(accepted)
    new: list[tuple[Result, str]] = []
    old: list[tuple[Result, str]] = []
    for result, fingerprint in zip(results, prints, strict=True):
        (old if left[fingerprint] > 0 else new).append((result, fingerprint))
        left[fingerprint] -= 1
    gone = sum(count for count in left.values() if count > 0)
    return Split(
        tuple(each for each, _ in new), tuple(each for _, each in new), tuple(each for each, _ in old), gone
    )


def read(path: Path) -> Mapping[str, int]:
    """How often each fingerprint was accepted.

    Raises: ConfigError if the file is not there, or no baseline of ours.
    """
    try:
        kept: Any = json.loads(path.read_text(encoding="utf-8"))
        if kept["version"] != _VERSION:
            raise ConfigError(f"--baseline {path}: made by another version; write it anew: --update-baseline")
        return Counter({str(each["fingerprint"]): int(each["count"]) for each in kept["accepted"]})
    except OSError as error:
        raise ConfigError(
            f"--baseline {path}: {error.strerror}; --update-baseline writes one from today's findings"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"--baseline {path}: this is no baseline; write it anew: --update-baseline"
        ) from error


def write(path: Path, results: Sequence[Result], prints: Sequence[str]) -> None:
    """Keep findings as accepted: sorted, one after the other, so that a review sees what changed.

    Raises: ConfigError if the file cannot be written.
    """
    counts = Counter(prints)
    known = dict(zip(prints, results, strict=True))
    entries = [
        {
            "fingerprint": fingerprint,
            "count": counts[fingerprint],
            "rule": result.rule,
            "severity": result.severity.name.lower(),
            "thing": _bare(result.focus),
            "property": result.path or None,
            "value": None if result.value is None else _bare(result.value),
        }
        for fingerprint, result in known.items()
    ]
    entries.sort(key=lambda entry: (str(entry["rule"]), str(entry["thing"]), str(entry["fingerprint"])))
    text = json.dumps({"version": _VERSION, "accepted": entries}, ensure_ascii=False, indent=2)
    try:
        path.write_text(f"{text}\n", encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"--baseline {path}: {error.strerror}") from error


def _hashed(result: Result, name: Callable[[Term], str]) -> str:
    value = "" if result.value is None else name(result.value)
    parts = (result.rule, result.shape, result.component, name(result.focus), result.path, value)
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:32]


def _bare(term: Term) -> str:
    """A term for people; a blank node has no name that lasts."""
    return "[]" if isinstance(term, ox.BlankNode) else str(term)


def _namer(results: Iterable[Result], said: Dataset) -> Callable[[Term], str]:
    """A function that names terms the same in every run."""
    has_blank = any(isinstance(term, ox.BlankNode) for each in results for term in (each.focus, each.value))
    about: dict[Term, list[ox.Quad]] = {}
    above: dict[Term, list[ox.Quad]] = {}
    for quad in said.quads if has_blank else ():
        if isinstance(quad.subject, ox.BlankNode):
            about.setdefault(quad.subject, []).append(quad)
        if isinstance(quad.object, ox.BlankNode):
            above.setdefault(quad.object, []).append(quad)

    def name(term: Term, depth: int = _DEPTH) -> str:
        if not isinstance(term, ox.BlankNode):
            return str(term)
        if depth == 0:
            return "[]"
        below = sorted(f"{quad.predicate} {name(quad.object, depth - 1)}" for quad in about.get(term, ()))
        users = sorted(
            f"{quad.subject if isinstance(quad.subject, ox.NamedNode) else '[]'} {quad.predicate}"
            for quad in above.get(term, ())
        )
        return f"[{' ; '.join(below)} | {' ; '.join(users)}]"

    return name
