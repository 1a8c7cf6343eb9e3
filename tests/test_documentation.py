"""Commands, settings, errors, rules are documented, and what the README says is so."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("*/README.md")])


def test_the_generated_pages_are_fresh():
    done = subprocess.run(
        [sys.executable, ROOT / "docs" / "make_reference.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr


def test_links_between_pages_lead_somewhere():
    assert len(PAGES) > 10
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in PAGES
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
        if not target.startswith(("http:", "https:", "mailto:")) and not (page.parent / target).exists()
    ]
    assert broken == []


@pytest.mark.parametrize(
    "word", ["make serve", "make test", "Independent project", "Apache-2.0", "CC BY 4.0"]
)
def test_the_readme_says(word):
    assert word in (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_decision_has_a_question_a_choice_and_a_price():
    decisions = sorted(ROOT.glob("docs/decisions/*.md"))
    assert len(decisions) > 5
    for page in decisions:
        text = page.read_text(encoding="utf-8")
        for part in ("**Question.**", "**Choice.**", "**Price.**"):
            assert part in text, f"{page.name} lacks {part}"


def blocks(page, language):
    return re.findall(
        rf"^```{language}\n(.*?)^```", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )


def commands(page):
    """The lines that start with our command, comments left out."""
    lines = "".join(blocks(page, "")).splitlines()
    return [shlex.split(line, comments=True)[1:] for line in lines if line.startswith("cnrs-graph ")]


def test_the_query_of_the_readme_has_the_answer_beside_it(client):
    [query] = blocks("README.md", "sparql")
    [answer] = blocks("README.md", "csv")
    got = client.post("/sparql", data={"query": query}, headers={"Accept": "text/csv"})
    assert got.text.splitlines() == answer.splitlines()


def test_the_link_of_the_readme_leads_to_the_turtle_beside_it(client):
    [wanted] = blocks("README.md", "turtle")
    [path] = re.findall(
        r"curl -sL -H 'Accept: text/turtle' http://127.0.0.1:8000(\S+)", (ROOT / "README.md").read_text()
    )
    got = client.get(path, headers={"Accept": "text/turtle"}, follow_redirects=True)
    assert got.text == wanted


def test_the_query_of_the_tutorial_has_the_answer_beside_it(client):
    [query] = blocks("docs/tutorial/first-graph.md", "sparql")
    [answer] = blocks("docs/tutorial/first-graph.md", "csv")
    got = client.post("/sparql", data={"query": query}, headers={"Accept": "text/csv"})
    assert got.text.splitlines() == answer.splitlines()


@pytest.mark.parametrize(
    "page", ["README.md", "docs/tutorial/first-graph.md", "docs/howto/publish-your-own.md"]
)
def test_the_commands_of_a_page_are_understood(page):
    from cnrs_graph.cli import parser

    written = re.findall(r"`cnrs-graph ([^`]+)`", (ROOT / page).read_text(encoding="utf-8"))
    every = [*commands(page), *(shlex.split(each) for each in written)]
    assert every, f"{page} shows no command"
    for arguments in every:
        parser().parse_args(arguments)


@pytest.mark.parametrize("page", ["README.md", "docs/tutorial/first-graph.md"])
def test_the_saved_queries_that_a_page_names_exist(page, publication):
    named = set(re.findall(r"\bcq-[a-z0-9-]+", (ROOT / page).read_text(encoding="utf-8")))
    assert named
    assert named <= set(publication.catalogue)


def test_another_publication_is_served_and_validated_as_the_page_says(tmp_path, run):
    """The folder of docs/howto/publish-your-own.md, made of nothing of ours but the rules."""
    import shutil

    from cnrs_graph.config import read_config
    from cnrs_graph.publication import build
    from cnrs_graph.site import reply

    mine = tmp_path / "mine"
    [settings] = blocks("docs/howto/publish-your-own.md", "toml")
    for folder in ("data", "ontology", "shapes", "queries"):
        (mine / folder).mkdir(parents=True)
    (mine / "publication.toml").write_text(settings, encoding="utf-8")
    shutil.copytree(ROOT / "ontology" / "rules", mine / "ontology" / "rules")
    base = "https://example.org/mine"
    prefixes = f"""
@prefix : <{base}/ontology#> . @prefix shp: <{base}/shapes#> . @prefix ship: <{base}/id/ship/> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> . @prefix owl: <http://www.w3.org/2002/07/owl#> .
@prefix sh: <http://www.w3.org/ns/shacl#> .
"""
    files = {
        "data/ships.ttl": 'ship:nautilus a :Submarine ; rdfs:label "Nautilus"@fr .',
        "ontology/ships.ttl": ':Submarine a owl:Class ; rdfs:subClassOf :Ship ; rdfs:label "submarine"@en .',
        "shapes/ships.ttl": """
            shp:Named a sh:NodeShape ; sh:targetClass :Ship ; sh:property shp:Named-label .
            shp:Named-label a sh:PropertyShape ; sh:path rdfs:label ; sh:minCount 1 .""",
    }
    for name, text in files.items():
        (mine / name).write_text(prefixes + text, encoding="utf-8")
    code, _, err = run("validate", mine)
    assert code == 0, err
    published = build(read_config(mine / "publication.toml", environ={}))
    page = reply(published, "/doc/ship/nautilus", accept="text/html")
    assert page.status == 200
    assert b"Nautilus" in page.body
    assert b"CNRS" not in page.body
    assert b"Published by the library" in page.body
    assert any("#Ship" in str(quad.object) for quad in published.inferred)


def test_the_page_on_architecture_shows_the_floors_that_are_held():
    from test_architecture import FLOORS

    rows = re.findall(
        r"^\| (\d+) \| ((?:`\w+`(?:, )?)+) \|", page_text("docs/explanation/architecture.md"), re.MULTILINE
    )
    shown = {name: int(floor) for floor, names in rows for name in re.findall(r"`(\w+)`", names)}
    assert shown == {name: floor for floor, rooms in enumerate(FLOORS) for name in rooms}


def page_text(page):
    return (ROOT / page).read_text(encoding="utf-8")
