"""The house: floors, rooms of foreign libraries, and code that knows no publisher."""

import ast
import re
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "cnrs_graph"
FLOORS = (
    {"answering", "errors", "finding_words", "likeness", "progress", "watching", "words"},
    {"addresses", "desk", "formats", "inputs", "journal", "shape_graph", "sparql_words", "terms"},
    {
        "breaches",
        "compression",
        "dataset",
        "editor",
        "examples",
        "excerpts",
        "languages",
        "outlines",
        "places",
        "protocol",
        "register",
        "replies",
        "shapes",
        "sheets",
        "sparql",
        "statements",
        "zygote",
    },
    {
        "context",
        "drawings",
        "dumps",
        "imports",
        "lanes",
        "plain_queries",
        "queries",
        "reading",
        "reasoning",
        "shacl_engine",
        "signposting",
        "store",
    },
    {"literal_values"},
    {"core_checks", "query_checks"},
    {"changes", "judging", "report_graph"},
    {
        "answers",
        "citations",
        "descriptions",
        "differences",
        "endpoint",
        "executables",
        "inventory",
        "representations",
        "validation",
        "workers",
    },
    {
        "baseline",
        "catalogue",
        "choices",
        "config",
        "counts",
        "explanations",
        "hints",
        "hosting",
        "lookup",
        "metrics",
        "outcome",
        "pages",
        "streaming",
    },
    {
        "census",
        "checking",
        "desks",
        "downloads",
        "narrowing",
        "report_text",
        "rulebook",
        "schema_org",
        "search",
        "sights",
    },
    {"ci_reports", "disk", "matching", "remote", "report_page", "teaching", "views"},
    {"publication", "reports"},
    {"completion", "front_page", "list_pages", "query_page", "result_page", "term_pages", "thing_page"},
    {"counts_page", "documents"},
    {"list_api", "query_api", "search_api", "sitemap"},
    {"site"},
    {"check_door", "export", "graph_store", "reconciliation"},
    {"hall", "web"},
    {"cli"},
)
#: Foreign libraries that live in one room (rdflib and pyoxigraph are at home everywhere above `errors`).
ROOMS = {
    "pyshacl": {"shacl_engine"},
    "SPARQLWrapper": {"endpoint"},
    "lark": {"sparql"},
    "fastapi": {"web"},
    "starlette": {"compression", "downloads", "streaming", "teaching", "web"},
    "prometheus_client": {"metrics"},
    "uvicorn": {"cli", "hall", "web"},
    "argparse": {"cli"},
    "jinja2": {"pages"},
    "tomllib": {"config", "examples"},
    "owlrl": set(),
    "starlette_compress": {"compression"},
    "xlsxwriter": {"sheets"},
    "rapidfuzz": {"search"},
    "sqlite3": {"search"},
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
