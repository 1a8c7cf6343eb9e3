"""What a validation came to: what is told of it, and what decides."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cnrs_graph.validation import Explanation, Report, Result, Severity


@dataclass(frozen=True)
class Outcome:
    """Findings to be told in one language: those that are new, and how many were accepted before.

    `report` holds all of them; `prints` has the fingerprint of each finding told.
    """

    results: tuple[Result, ...]
    prints: tuple[str, ...]
    report: Report
    statements: int
    fail_on: Severity
    language: str = "en"
    accepted: int = 0
    gone: int = 0
    #: What a rule asks; None for one that the shapes do not explain.
    explain: Callable[[str], Explanation | None] = lambda _: None

    @property
    def graph(self) -> Any:
        """The standard report, made when it is asked for."""
        return self.report.graph

    @property
    def conforms(self) -> bool:
        """What SHACL calls conforming: no finding at all, however small, accepted or not."""
        return not self.results and not self.accepted

    @property
    def refused(self) -> bool:
        """Whether a finding is as bad as the threshold, or worse."""
        return any(result.severity >= self.fail_on for result in self.results)

    @property
    def worst(self) -> Severity | None:
        """The worst severity told."""
        return max((result.severity for result in self.results), default=None)

    def counts(self) -> Mapping[Severity, int]:
        """How many findings there are of each severity, the worst first."""
        found = Counter(result.severity for result in self.results)
        return {severity: found[severity] for severity in sorted(Severity, reverse=True)}

    def by_rule(self) -> Mapping[str, int]:
        """How many findings each rule has, the most first."""
        return _most_first(Counter(result.rule for result in self.results))

    def by_file(self) -> Mapping[str, int]:
        """How many findings each file has, the most first; those without a file under ""."""
        files = (result.place.path.as_posix() if result.place else "" for result in self.results)
        return _most_first(Counter(files))

    def rules(self) -> Mapping[str, Explanation | None]:
        """The rules that were broken, sorted, each with what it asks."""
        return {rule: self.explain(rule) for rule in sorted({result.rule for result in self.results})}


def _most_first(counts: Counter[str]) -> Mapping[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
