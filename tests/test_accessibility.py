"""Pages for everybody: axe in a real browser, the keyboard alone, small screens, large letters, few bytes."""

import json
import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright
from test_pages import CHROMIUM, served, visit

from cnrs_graph.config import read_config
from cnrs_graph.documents import INCOMING
from cnrs_graph.pages import stylesheet
from cnrs_graph.publication import build
from cnrs_graph.site import reply, site_of
from cnrs_graph.words import WORDS

#: One of every kind of page.
KINDS = [
    "/",
    "/browse",
    "/browse/Institution",
    "/doc/cooperation/ln2",
    "/doc/cooperation/cpb",
    "/doc/laboratory/gt-cnrs",
    "/doc/institution/cnrs",
    "/doc/scheme/irl",
    "/doc/country/usa",
    "/doc/roster/founding-irp-canada",
    "/doc/count/founding-irl-canada",
    "/doc/source/founding-text",
    "/doc/term/ln2/1",
    "/incoming/doc/institution/cnrs/1",
    "/vocab",
    "/vocab/role",
    "/vocab/role/host",
    "/ontology",
    "/terms/Cooperation",
    "/shapes",
    "/rules/AgreementPrecedesTerm",
    "/queries",
    "/queries/cq-a1-announced-per-country",
    "/sparql",
    "/dataset",
    "/graphs",
    "/graphs/default",
    "/graph/inferred",
    "/doc/cooperation/nowhere",
]
_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_RUN = {"runOnly": {"type": "tag", "values": _TAGS}, "resultTypes": ["violations"]}
_MOST_BYTES = 60_000


@pytest.fixture(scope="module")
def checked():
    """The shipped publication with the outcome of its validation."""
    return build(read_config(environ={}))


@pytest.fixture(scope="module")
def site(checked):
    server, url = served(checked)
    yield url
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        yield chromium
        chromium.close()


def findings(page):
    """What axe finds, one line for each rule and element."""
    found = Axe().run(page, options=_RUN).response
    assert found["testEngine"]["name"] == "axe-core"
    return [
        f"{rule['id']}: {node['html'][:160]} {' '.join(node['failureSummary'].split())[:160]}"
        for rule in found["violations"]
        for node in rule["nodes"]
    ]


@pytest.mark.parametrize("path", KINDS)
def test_axe_finds_nothing_in_any_language(browser, site, path):
    found = {}
    for language in WORDS:
        page, complaints, _ = visit(browser, f"{site}/{language}{path}")
        found[language] = findings(page)
        assert [text for text in complaints if "404" not in text] == []
        page.close()
    assert found == {language: [] for language in WORDS}


@pytest.mark.parametrize(
    "path", ["/", "/doc/cooperation/ln2", "/doc/laboratory/gt-cnrs", "/shapes", "/queries"]
)
@pytest.mark.parametrize(("width", "scheme"), [(375, "light"), (768, "dark"), (1280, "dark")])
def test_axe_finds_nothing_on_small_screens_and_in_the_dark(browser, site, path, width, scheme):
    page, _, _ = visit(browser, f"{site}{path}", width=width, scheme=scheme)
    assert findings(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.close()


def test_axe_sees_what_is_wrong(browser, site):
    page, _, _ = visit(browser, f"{site}/doc/cooperation/ln2")
    page.evaluate("document.querySelector('svg[role=img]').removeAttribute('aria-label')")
    page.evaluate("document.querySelector('main').append(document.createElement('select'))")
    rules = {line.partition(":")[0] for line in findings(page)}
    assert {"svg-img-alt", "select-name"} <= rules
    page.close()


@pytest.mark.parametrize("path", ["/", "/doc/cooperation/ln2", "/queries/cq-a1-announced-per-country"])
def test_the_keyboard_reaches_every_link_and_shows_where_it_is(browser, site, path):
    page, _, _ = visit(browser, f"{site}{path}")
    wanted = page.evaluate(
        "[...document.querySelectorAll('a[href], button, input, select, textarea, [tabindex=\"0\"]')].length"
    )
    seen = 0
    for _ in range(wanted):
        page.keyboard.press("Tab")
        shown = page.evaluate(
            """() => { const e = document.activeElement; if (!e || e === document.body) return null;
            const s = getComputedStyle(e);
            return s.outlineStyle !== "none" && parseFloat(s.outlineWidth) > 1; }"""
        )
        assert shown is not False, page.evaluate("document.activeElement.outerHTML.slice(0, 120)")
        seen += shown is True
    assert seen == wanted > 10
    page.close()


@pytest.mark.parametrize("path", [path for path in KINDS if path != "/sparql"])
def test_letters_twice_as_large_still_fit(browser, site, path):
    page, _, _ = visit(browser, f"{site}{path}", width=640)
    page.evaluate("document.documentElement.style.setProperty('font-size', '212%')")
    assert page.evaluate("document.documentElement.scrollWidth") <= 640
    page.close()


def test_pages_are_light(checked):
    documents = site_of(checked).documents
    paths = [*documents.plain_pages, *documents.by_path, f"{INCOMING}/doc/institution/cnrs/1"]
    assert len(paths) > 500
    heavy = {}
    for path in [*paths, *(f"/{language}{path}" for language in WORDS for path in paths[::7])]:
        answer = reply(checked, path, accept="text/html")
        # What is embedded for machines is no part of what people wait to see.
        shown = re.sub(
            rb'<script type="application/ld\+json">.*?</script>', b"", answer.body, flags=re.DOTALL
        )
        weight = len(shown) + len(stylesheet())
        if answer.header("Content-Type") == "text/html; charset=utf-8" and weight > _MOST_BYTES:
            heavy[path] = weight
    assert heavy == {}


def test_no_page_has_styles_or_scripts_of_its_own(checked):
    for path in KINDS[:-1]:
        if path == "/sparql":
            continue
        answer = reply(checked, path, accept="text/html")
        text = answer.body.decode()
        assert (
            re.findall(r"<style|\sstyle=|<script(?! type=\"application/ld\+json\")|\son\w+=", text) == []
        ), path
        assert "unsafe-inline" not in answer.header("Content-Security-Policy")


def test_drawings_print_and_the_frame_does_not(browser, site):
    page, _, _ = visit(browser, f"{site}/doc/cooperation/ln2")
    page.emulate_media(media="print")
    assert page.locator("svg.time").is_visible()
    assert not page.locator("nav.languages").is_visible()
    assert json.dumps(page.locator("h1").inner_text())
    page.close()
