"""Findings in the formats that services of continuous integration read."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import escape, quoteattr

from cnrs_graph import __version__
from cnrs_graph.outcome import Outcome
from cnrs_graph.report_text import advice, finding_line, summary
from cnrs_graph.terms import local_name
from cnrs_graph.validation import Explanation, Result, Severity, in_language

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS: Mapping[Severity, str] = {
    Severity.VIOLATION: "error",
    Severity.WARNING: "warning",
    Severity.INFO: "note",
}
_COMMANDS: Mapping[Severity, str] = {
    Severity.VIOLATION: "error",
    Severity.WARNING: "warning",
    Severity.INFO: "notice",
}
#: What XML 1.0 does not allow in any spelling.
_NO_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def sarif(outcome: Outcome) -> str:
    """The findings for code scanning; columns count in characters, each finding with its fingerprint.

    Source: Static Analysis Results Interchange Format (SARIF) Version 2.1.0, section 3.
    """
    rules = outcome.rules()
    order = {rule: at for at, rule in enumerate(rules)}
    driver = {
        "name": "cnrs-graph",
        "version": __version__,
        "rules": [_sarif_rule(rule, found, outcome.language) for rule, found in rules.items()],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "language": outcome.language,
        "results": [
            _sarif_result(result, fingerprint, order[result.rule], outcome.language)
            for result, fingerprint in zip(outcome.results, outcome.prints, strict=True)
        ],
    }
    return _json({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]})


def _sarif_rule(rule: str, explanation: Explanation | None, language: str) -> Mapping[str, Any]:
    told: dict[str, Any] = {"id": rule}
    if explanation is None:
        return told
    texts = {
        "shortDescription": in_language(explanation.labels, language),
        "fullDescription": in_language(explanation.descriptions, language),
        "help": in_language(explanation.messages, language),
    }
    told |= {key: {"text": text} for key, text in texts.items() if text}
    name = local_name(explanation.shape)
    if name:
        told["name"] = name
    if explanation.shape.startswith(("http://", "https://")):
        told["helpUri"] = explanation.shape
    told["defaultConfiguration"] = {"level": _LEVELS[explanation.severity]}
    return told


def _sarif_result(result: Result, fingerprint: str, rule_index: int, language: str) -> Mapping[str, Any]:
    told: dict[str, Any] = {
        "ruleId": result.rule,
        "ruleIndex": rule_index,
        "level": _LEVELS[result.severity],
        "message": {"text": f"{result.label}: {advice(result, language)}"},
        "partialFingerprints": {"finding/v1": fingerprint},
    }
    logical = {"fullyQualifiedName": str(result.focus).strip("<>"), "name": result.label, "kind": "resource"}
    location: dict[str, Any] = {"logicalLocations": [logical]}
    place = result.place
    if place is not None:
        physical: dict[str, Any] = {"artifactLocation": {"uri": _uri(place.path)}}
        if place.line is not None:
            region = {"startLine": place.line, "startColumn": place.column}
            physical["region"] = {key: value for key, value in region.items() if value is not None}
        location["physicalLocation"] = physical
    return {**told, "locations": [location]}


def _uri(path: Path) -> str:
    """A path as a URI reference: relative paths stay relative to where the command ran."""
    return path.as_uri() if path.is_absolute() else quote(path.as_posix())


def junit(outcome: Outcome) -> str:
    """The findings as a test report: a suite for each file, a case for each finding.

    A finding below the threshold does not fail its case; it is told in the case's output.
    """
    by_file: dict[str, list[Result]] = {}
    for result in outcome.results:
        by_file.setdefault(result.place.path.as_posix() if result.place else "-", []).append(result)
    suites = [_suite(file, results, outcome) for file, results in sorted((by_file or {"-": []}).items())]
    tests, failures = max(1, len(outcome.results)), _failures(outcome.results, outcome)
    head = f'<testsuites name="cnrs-graph validate" tests="{tests}" failures="{failures}" errors="0">'
    return "\n".join(['<?xml version="1.0" encoding="UTF-8"?>', head, *suites, "</testsuites>", ""])


def _suite(file: str, results: Sequence[Result], outcome: Outcome) -> str:
    cases = [_case(file, result, outcome) for result in results]
    cases = cases or ['    <testcase classname="cnrs-graph" name="validate"/>']
    failures = _failures(results, outcome)
    head = f'  <testsuite name={_attribute(file)} tests="{len(cases)}" failures="{failures}" errors="0">'
    return "\n".join([head, *cases, "  </testsuite>"])


def _failures(results: Sequence[Result], outcome: Outcome) -> int:
    return sum(result.severity >= outcome.fail_on for result in results)


def _case(file: str, result: Result, outcome: Outcome) -> str:
    name = _attribute(f"{result.rule} {result.label}")
    line = _xml(finding_line(result, outcome.language))
    told = f"      <system-out>{line}</system-out>"
    if result.severity >= outcome.fail_on:
        message = _attribute(advice(result, outcome.language))
        told = f'      <failure type="{result.severity.name.lower()}" message={message}>{line}</failure>'
    head = f"    <testcase classname={_attribute(file)} name={name} file={_attribute(file)}>"
    return "\n".join([head, told, "    </testcase>"])


def _attribute(text: str) -> str:
    return quoteattr(_NO_XML.sub("\ufffd", text))


def _xml(text: str) -> str:
    return escape(_NO_XML.sub("\ufffd", text))


def github(outcome: Outcome) -> str:
    """The findings as commands that make GitHub mark the lines of a change, and the summary as a notice.

    Source: GitHub's documentation, "Workflow commands": `%`, line ends and, in properties, `:` and `,` are
    escaped.
    """
    lines = [*_annotations(outcome), f"::notice title=cnrs-graph::{_data(summary(outcome))}"]
    return "".join(f"{line}\n" for line in lines)


def _annotations(outcome: Outcome) -> Iterator[str]:
    for result in outcome.results:
        place = result.place
        properties = {
            "file": place.path.as_posix() if place else None,
            "line": place.line if place else None,
            "col": place.column if place else None,
            "title": f"{result.rule} {result.label}",
        }
        told = ",".join(
            f"{key}={_property(str(each))}" for key, each in properties.items() if each is not None
        )
        yield f"::{_COMMANDS[result.severity]} {told}::{_data(advice(result, outcome.language))}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"
