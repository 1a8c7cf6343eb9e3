"""Write docs/reference/ and the JSON-LD context from the truth; with --check, refuse what is not fresh."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import pyoxigraph as ox

from cnrs_graph import cli, errors
from cnrs_graph.config import Config, read_config
from cnrs_graph.context import context_of
from cnrs_graph.formats import DOWNLOAD_FORMATS, GRAPH_FORMATS, RESULT_FORMATS
from cnrs_graph.publication import read
from cnrs_graph.queries import Catalogue, Parameter
from cnrs_graph.replies import STATUS
from cnrs_graph.terms import PREFIXES, compact, local_name
from cnrs_graph.validation import explain, in_language, load_shapes, rules

HERE = Path(__file__).resolve().parent / "reference"
HEAD = "<!-- Written by docs/make_reference.py; `make format` renews it. -->\n"


def cli_page(_: Config) -> str:
    """Every command with its help text, and the exit codes."""
    parser = cli.parser()
    commands = next(each for each in parser._actions if isinstance(each, argparse._SubParsersAction)).choices
    parts = ["# Commands\n", parser.format_help().strip().join(("```\n", "\n```\n"))]
    for name, command in commands.items():
        parts += [f"\n## {name}\n", command.format_help().strip().join(("```\n", "\n```\n"))]
    codes: dict[int, list[str]] = {0: ["done"], 1: ["findings at or above `--fail-on`"], 2: ["wrong usage"]}
    for kind, code in cli.EXIT.items():
        codes.setdefault(code, []).append(_sentence(kind.__doc__))
    codes.setdefault(cli.OUR_MISTAKE, []).append("our mistake; `--debug` prints the trace")
    rows = ((str(code), "; ".join(dict.fromkeys(texts))) for code, texts in sorted(codes.items()))
    return "".join((*parts, "\n## Exit codes\n\n", _table(("code", "meaning"), rows)))


def http_page(_: Config) -> str:
    """Formats, and the status of each kind of error."""
    formats = (
        (
            each.name,
            f"`{each.media_type}`",
            f"`.{each.extension}`",
            ", ".join(f"`{alias}`" for alias in each.aliases),
        )
        for each in (*GRAPH_FORMATS, *RESULT_FORMATS, *DOWNLOAD_FORMATS)
    )
    statuses = [
        (str(status), _sentence(kind.__doc__)) for kind, status in STATUS.items() if kind is not Exception
    ]
    statuses.append((str(STATUS[Exception]), "Our own mistake; its details are in the log only"))
    return "".join(
        (
            "# Addresses\n\n",
            (HERE.parent / "http.in.md").read_text(encoding="utf-8"),
            "\n## Formats\n\n",
            _table(("name", "media type", "extension", "also understood in Accept"), formats),
            "\n## Errors\n\n",
            _table(("status", "when"), sorted(statuses)),
        )
    )


def settings_page(_: Config) -> str:
    """Every setting, from the comments in `config.py`."""
    source = (HERE.parents[1] / "src" / "cnrs_graph" / "config.py").read_text(encoding="utf-8")
    body = source[source.index("class Config") : source.index("def shipped")]
    rows, comment = [], ""
    for line in (each.strip() for each in body.splitlines()):
        if line.startswith("#:"):
            comment = line.removeprefix("#:").strip()
        elif ": " in line and comment and not line.startswith("#"):
            name, _, rest = line.partition(": ")
            default = rest.partition(" = ")[2] or "must be given"
            rows.append((f"`{name}`", f"`CNRS_GRAPH_{name.upper()}`", comment, f"`{default}`"))
            comment = ""
    if len(rows) != len(Config.__dataclass_fields__):
        sys.exit("config.py: each setting needs a comment line that starts with #:")
    head = "# Settings\n\nIn `publication.toml`, or in the environment, which wins.\n\n"
    return head + _table(("setting", "in the environment", "meaning", "default"), rows)


def queries_page(config: Config) -> str:
    """Every saved query with its question and parameters."""
    parts = ["# Saved queries\n\nRun one with `cnrs-graph query NAME`, or at `/queries/NAME`.\n"]
    for name, saved in Catalogue(config.queries).items():
        parts.append(f"\n## {name}\n\n{saved.summary}.\n")
        parts += [f"\n- {key}: {value}" for key, value in saved.notes.items()]
        parts += [
            f"\n- parameter `{each.name}` ({each.kind}): {each.description}; "
            f"for example `{each.sample}`{_allowed(each)}"
            for each in saved.parameters
        ]
        parts.append("\n")
    return "".join(parts)


def _allowed(parameter: Parameter) -> str:
    """Where the values of a parameter come from, in words."""
    if parameter.allowed is None:
        return ""
    source, terms = parameter.allowed.source, parameter.allowed.terms
    named = ", ".join(f"`{compact(term[1:-1]) if term.startswith('<') else term}`" for term in terms)
    return f"; allowed: {_SOURCES[source]} {named}"


_SOURCES: Mapping[str, str] = {
    "list": "one of",
    "class": "the things of the class",
    "scheme": "the concepts of the code list",
    "property": "the values in the data of",
    "shape": "what the shape says,",
}


def rules_page(config: Config) -> str:
    """Every rule of the shapes: what it asks, how bad a break is, what its message says."""
    shapes = load_shapes(read(config).only("shapes"))
    rows = []
    for told in (each for rule in sorted(rules(shapes), key=_natural) for each in explain(shapes, rule)):
        label, text = in_language(told.labels, "en"), in_language(told.descriptions, "en")
        rows.append((f"`{told.rule}`", told.severity.name.lower(), label, text))
    head = "# Rules\n\n`cnrs-graph validate --explain RULE` prints one with its shape.\n\n"
    return head + _table(("rule", "severity", "promise", "in words"), rows)


def vocabulary_page(config: Config) -> str:
    """Every class and property of the ontology with its definition."""
    ontology = ox.Dataset(read(config).only("ontology").quads)
    parts = ["# Vocabulary\n"]
    for title, kind in (
        ("Classes", "Class"),
        ("Links", "ObjectProperty"),
        ("Values", "DatatypeProperty"),
    ):
        wanted = ox.NamedNode(PREFIXES["owl"] + kind)
        terms = {
            quad.subject.value
            for quad in ontology.quads_for_object(wanted)
            if isinstance(quad.subject, ox.NamedNode)
            and quad.subject.value.startswith(f"{config.base}ontology#")
        }
        rows = (
            (
                f"`{local_name(term)}`",
                _english(ontology, term, "rdfs", "label"),
                _english(ontology, term, "skos", "definition"),
            )
            for term in sorted(terms)
        )
        parts += [f"\n## {title}\n\n", _table(("term", "label", "definition"), rows)]
    return "".join(parts)


def errors_page(_: Config) -> str:
    """Every kind of error with its exit code and its status."""
    rows = (
        (
            f"`{kind.__name__}`",
            _sentence(kind.__doc__),
            _nearest(kind, cli.EXIT),
            _nearest(kind, STATUS),
        )
        for kind in _kinds(errors.CnrsGraphError)
    )
    return "# Errors\n\n" + _table(("error", "meaning", "exit code", "status"), rows)


PAGES: Mapping[str, Callable[[Config], str]] = {
    "cli.md": cli_page,
    "http.md": http_page,
    "settings.md": settings_page,
    "queries.md": queries_page,
    "rules.md": rules_page,
    "vocabulary.md": vocabulary_page,
    "errors.md": errors_page,
}


def context_file(config: Config) -> tuple[Path, bytes]:
    """The JSON-LD context of the present version of the ontology, kept for good, and what it should be."""
    context = context_of(config.base, read(config).only("ontology", "shapes").quads)
    return config.ontology / "contexts" / f"{context.version}.json", context.document()


def main() -> None:
    """Write the pages and the JSON-LD context, or check them."""
    # argparse folds help texts at the width of the terminal.
    os.environ["COLUMNS"] = "100"
    config = read_config(environ={})
    stale = []
    for name, make in PAGES.items():
        fresh = HEAD + make(config)
        path = HERE / name
        if not path.is_file() or path.read_text(encoding="utf-8") != fresh:
            stale.append(name)
            if "--check" not in sys.argv:
                HERE.mkdir(exist_ok=True)
                path.write_text(fresh, encoding="utf-8")
    path, document = context_file(config)
    if not path.is_file() or path.read_bytes() != document:
        stale.append(str(path))
        if "--check" not in sys.argv:
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(document)
    if stale and "--check" in sys.argv:
        sys.exit(f"docs/reference: {', '.join(stale)} not fresh; run `make format`")


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(
        "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in line) + " |\n"
        for line in lines
    )


def _sentence(docstring: str | None) -> str:
    return (docstring or "").partition("\n")[0].rstrip(".")


def _english(ontology: ox.Dataset, term: str, prefix: str, name: str) -> str:
    wanted = ox.NamedNode(PREFIXES[prefix] + name)
    found = (
        quad.object.value
        for quad in ontology.quads_for_subject(ox.NamedNode(term))
        if quad.predicate == wanted and isinstance(quad.object, ox.Literal) and quad.object.language == "en"
    )
    return next(found, "")


def _kinds(kind: type[errors.CnrsGraphError]) -> Iterable[type[errors.CnrsGraphError]]:
    for below in kind.__subclasses__():
        yield below
        yield from _kinds(below)


def _nearest(kind: type[BaseException], table: Mapping[type[BaseException], int]) -> str:
    return next((str(table[each]) for each in kind.__mro__ if each in table), "—")


def _natural(rule: str) -> tuple[str, int, str]:
    """Rules in the order people count: IRL2 before IRL10."""
    letters = rule.rstrip("0123456789abcdefghijklmnopqrstuvwxyz").rstrip("-")
    digits = "".join(each for each in rule if each.isdigit())
    return letters, int(digits or 0), rule


if __name__ == "__main__":
    main()
