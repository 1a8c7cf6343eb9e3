"""Validation reports as bytes in a chosen format."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from cnrs_graph.judging import Plan
from cnrs_graph.shapes import rule_of, shown
from cnrs_graph.validation import Explanation, Report, Result, Severity, Shapes, in_language


def report_bytes(report: Report, name: str, language: str) -> bytes:
    """Write a report: one line a finding, JSON for programs, or a standard SHACL report in Turtle.

    Source: Shapes Constraint Language (SHACL), section 3.6, for Turtle.
    """
    if name == "turtle":
        return bytes(report.graph.serialize(format="turtle", encoding="utf-8"))
    if name == "json":
        return (json.dumps(_as_json(report, language), ensure_ascii=False, indent=2) + "\n").encode()
    return "".join(f"{finding_line(result, language)}\n" for result in report.results).encode()


def finding_line(result: Result, language: str) -> str:
    """One finding on a line that an editor can open: `path:line:column: severity rule label: message`."""
    place = str(result.place) if result.place else str(result.focus)
    severity = result.severity.name.lower()
    return (
        f"{place}: {severity} {result.rule} {_one_line(result.label)}: {_one_line(result.message(language))}"
    )


def summary(report: Report, statements: int, refused: bool, fail_on: str) -> str:  # noqa: FBT001 - a verdict
    """Say in one line what came out, and what decides."""
    counts = [
        _counted(sum(result.severity is severity for result in report.results), severity.name.lower())
        for severity in sorted(Severity, reverse=True)
    ]
    verdict = f"findings at or above {fail_on}" if refused else f"no finding at or above {fail_on}"
    return f"{', '.join(counts)} in {statements} statements; {verdict}"


def explanation_text(explanation: Explanation, language: str) -> str:
    """What a rule asks, why, of what, and how it is written, for a terminal."""
    sources = ", ".join(explanation.sources)
    lines = [
        f"{explanation.rule}  {in_language(explanation.labels, language)}",
        in_language(explanation.descriptions, language),
        "",
        f"severity   {explanation.severity.name.lower()}",
        f"looks at   {', '.join(explanation.targets) or 'nothing'}",
        f"comes from {sources or in_language(explanation.notes, language) or 'nowhere'}",
        f"says       {in_language(explanation.messages, language)}",
        f"shape      {explanation.shape}",
        "",
        explanation.turtle.strip(),
    ]
    return "\n".join(lines) + "\n"


def plan_text(plan: Plan | None, shapes: Shapes) -> str:
    """Which shapes were checked here, which went to pySHACL, and why."""
    asked = plan.asked if plan is not None else {}
    here = len(plan.here) if plan is not None else 0
    lines = [f"{_counted(here, 'shape')} checked here, {len(asked)} by pySHACL"]
    lines += [
        f"{rule_of(shapes.graph, node)}  {shown(node)}: {reason}"
        for node, reason in sorted(asked.items(), key=str)
    ]
    return "\n".join(lines) + "\n"


def _as_json(report: Report, language: str) -> Mapping[str, Any]:
    return {
        "conforms": report.conforms,
        "worst": report.worst.name.lower() if report.worst else None,
        "counts": {
            severity.name.lower(): sum(result.severity is severity for result in report.results)
            for severity in Severity
        },
        "results": [_finding(result, language) for result in report.results],
    }


def _finding(result: Result, language: str) -> Mapping[str, Any]:
    place = result.place
    return {
        "rule": result.rule,
        "severity": result.severity.name.lower(),
        "focusNode": str(result.focus).strip("<>"),
        "label": result.label,
        "path": result.path or None,
        "value": None if result.value is None else str(result.value),
        "message": result.message(language),
        "messages": dict(result.messages),
        "shape": result.shape,
        "file": place.path.as_posix() if place else None,
        "line": place.line if place else None,
        "column": place.column if place else None,
    }


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _one_line(text: str) -> str:
    """Text for a terminal: one line, no control characters that a terminal would obey."""
    return "".join(character if character.isprintable() else " " for character in text)
