"""Findings as lines: for editors and terminals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from cnrs_graph.excerpts import Excerpts, plain
from cnrs_graph.finding_words import WORDS, counted, said
from cnrs_graph.outcome import Outcome
from cnrs_graph.validation import Result, Severity

_COLOURS: Mapping[Severity, str] = {Severity.VIOLATION: "31", Severity.WARNING: "33", Severity.INFO: "36"}
_MOST_ROWS = 10


def text(outcome: Outcome, *, excerpts: bool = False, colours: bool = False) -> str:
    """One line a finding, and below it, where asked for, the line of the source with a caret."""
    sources = Excerpts()
    lines = []
    for result in outcome.results:
        line = finding_line(result, outcome.language)
        lines.append(_coloured(line, result) if colours else line)
        if excerpts:
            lines += _excerpt(sources, result)
    return "".join(f"{line}\n" for line in lines)


def finding_line(result: Result, language: str) -> str:
    """One finding on a line that an editor can open: `path:line:column: severity rule label: message`."""
    place = str(result.place) if result.place else str(result.focus)
    severity = result.severity.name.lower()
    return _one_line(f"{place}: {severity} {result.rule} {result.label}: {advice(result, language)}")


def advice(result: Result, language: str) -> str:
    """What is wrong and what to do, with the name that was probably meant."""
    message = result.message(language)
    if result.hint is None:
        return message
    meant = said(language, "meant", written=result.hint.written, meant=result.hint.meant)
    return f"{message.rstrip().removesuffix('.')}. {meant[:1].upper()}{meant[1:]}" if message else meant


def summary(outcome: Outcome) -> str:
    """In a few lines what came out, what decides, and, where there is more than one, by rule and by file."""
    language = outcome.language
    counts = ", ".join(counted(language, n, each.name.lower()) for each, n in outcome.counts().items())
    severity = WORDS[language][outcome.fail_on.name.lower()]
    verdict = said(language, "refused" if outcome.refused else "passed", severity=severity)
    lines = [said(language, "in-statements", counts=counts, count=outcome.statements, verdict=verdict)]
    if outcome.accepted:
        lines.append(said(language, "accepted", count=outcome.accepted))
    if outcome.gone:
        lines.append(said(language, "gone", count=outcome.gone))
    tables = (("by-rule", outcome.by_rule()), ("by-file", outcome.by_file()))
    lines += [f"{said(language, key)}: {_listed(table, language)}" for key, table in tables if table]
    return "\n".join(lines)


def _listed(table: Mapping[str, int], language: str) -> str:
    rows = [f"{name or said(language, 'no-file')} {count}" for name, count in table.items()]
    more = f" … (+{len(rows) - _MOST_ROWS})" if len(rows) > _MOST_ROWS else ""
    return ", ".join(rows[:_MOST_ROWS]) + more


def _excerpt(sources: Excerpts, result: Result) -> Iterator[str]:
    excerpt = sources.at(result.place)
    if excerpt is not None:
        number = str(excerpt.number)
        line, caret = excerpt.marked()
        yield f"  {number} | {line}"
        if excerpt.column is not None:
            yield f"  {' ' * len(number)} | {caret}"


def _coloured(line: str, result: Result) -> str:
    word = result.severity.name.lower()
    place, found, rest = line.partition(f": {word} ")
    return f"{place}: \x1b[1;{_COLOURS[result.severity]}m{word}\x1b[0m {rest}" if found else line


def _one_line(line: str) -> str:
    return plain(line).replace("\t", " ")
