"""The house: floors, rooms of foreign libraries, and code that knows no publisher."""

import ast
import re
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "cnrs_graph"
FLOORS = (
    {"progress", "likeness", "words", "errors", "answering", "finding_words", "watching"},
    {"terms", "formats", "sparql_words", "journal", "desk", "addresses", "inputs", "shape_graph"},
    {
        "dataset",
        "zygote",
        "editor",
        "places",
        "protocol",
        "replies",
        "shapes",
        "sparql",
        "examples",
        "excerpts",
        "breaches",
        "statements",
    },
    {
        "reasoning",
        "reading",
        "store",
        "shacl_engine",
        "dumps",
        "lanes",
        "queries",
        "imports",
        "plain_queries",
    },
    {"literal_values"},
    {"core_checks", "query_checks"},
    {"judging", "changes", "report_graph"},
    {"workers", "descriptions", "inventory", "validation", "executables", "answers", "representations"},
    {
        "catalogue",
        "streaming",
        "config",
        "metrics",
        "pages",
        "lookup",
        "choices",
        "outcome",
        "explanations",
        "hints",
        "baseline",
    },
    {"census", "downloads", "schema_org", "desks", "checking", "report_text"},
    {"disk", "remote", "report_page", "ci_reports"},
    {"reports", "publication"},
    {"query_page", "thing_page", "result_page", "list_pages", "term_pages", "completion"},
    {"documents"},
    {"sitemap", "query_api"},
    {"site"},
    {"graph_store", "check_door"},
    {"hall", "web"},
    {"cli"},
)
#: Foreign libraries that live in one room (rdflib and pyoxigraph are at home everywhere above `errors`).
ROOMS = {
    "pyshacl": {"shacl_engine"},
    "SPARQLWrapper": {"store"},
    "lark": {"sparql"},
    "fastapi": {"web"},
    "starlette": {"downloads", "streaming", "web"},
    "prometheus_client": {"metrics"},
    "uvicorn": {"cli", "hall", "web"},
    "argparse": {"cli"},
    "jinja2": {"pages"},
    "tomllib": {"config", "examples"},
    "owlrl": set(),
}
OUTSIDE = {"__init__", "__main__"}


def modules():
    found = {path.stem: path for path in SOURCE.glob("*.py")}
    assert len(found) > 10, f"the modules are not in {SOURCE} any more"
    return {name: path for name, path in found.items() if name not in OUTSIDE}


def imports(path):
    """Every imported module with the line that imports it; our own by their short name."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            if node.module == "cnrs_graph":
                yield from ((f"cnrs_graph.{alias.name}", node.lineno) for alias in node.names)
            else:
                yield (node.module, node.lineno)


def floor_of(name):
    floors = [number for number, rooms in enumerate(FLOORS) if name in rooms]
    assert len(floors) == 1, f"{name}.py stands on {len(floors)} floors; give it one in FLOORS"
    return floors[0]


def test_every_module_has_one_floor_and_every_floor_only_modules():
    known = set(modules())
    assert {name for rooms in FLOORS for name in rooms} == known
    for name in known:
        floor_of(name)


def test_imports_go_down():
    upward = [
        f"{name}.py:{line} imports {imported}"
        for name, path in modules().items()
        for imported, line in imports(path)
        if imported.startswith("cnrs_graph.")
        and not imported.endswith("__")
        and floor_of(imported.removeprefix("cnrs_graph.").split(".")[0]) >= floor_of(name)
    ]
    assert upward == []


def test_foreign_libraries_stay_in_their_rooms():
    strays = [
        f"{name}.py:{line} imports {imported}"
        for name, path in modules().items()
        for imported, line in imports(path)
        if name not in ROOMS.get(imported.split(".")[0], {name})
    ]
    assert strays == []


@pytest.mark.parametrize(
    "word", [r"North America", r"\b2020\b", r"\bCNRS\b", r"\bIRL\b", r"\bIRP\b", r"UMIFRE"]
)
def test_the_code_knows_no_publisher(word):
    found = [
        f"{path.name}:{number}"
        for path in [*modules().values(), *SOURCE.glob("templates/*")]
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if re.search(word, line)
    ]
    assert found == []
