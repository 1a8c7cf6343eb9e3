"""The query page: a form without scripts, an editor with them, in a real browser under a strict policy."""

import json
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from conftest import Server
from garden import BASE, a_publication
from playwright.sync_api import expect, sync_playwright

from cnrs_graph import editor, result_page, site
from cnrs_graph.completion import MOST_THINGS, completions, prefixes
from cnrs_graph.site import Site, query_form, reply

ROOT = Path(__file__).parents[1]
CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
CODES = (
    "PREFIX : <https://w3id.org/cnrs-graph/ontology#>\n"
    'SELECT ?code ?c { VALUES ?code { "CA" "US" } ?c :alpha2 ?code } ORDER BY ?code'
)
SLOW = "SELECT (COUNT(*) AS ?n) { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i }"


@pytest.fixture(scope="module")
def bundle():
    made = editor.bundle()
    assert made is not None, "the editor is not built; run `make editor`"
    return made


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        yield chromium
        chromium.close()


class Visit:
    """A page in a browser of its own, with all it asked for and everything the policy forbade."""

    WATCH = """addEventListener("securitypolicyviolation", event =>
      forbidden(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`))"""

    def __init__(self, browser, url, **options):
        self.context = browser.new_context(**({"viewport": {"width": 1280, "height": 900}} | options))
        self.page = self.context.new_page()
        self.page.set_default_timeout(10_000)
        self.asked, self.forbidden, self.errors = [], [], []
        self.page.expose_function("forbidden", lambda what: self.forbidden.append(what))
        self.page.add_init_script(self.WATCH)
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on(
            "console", lambda said: self.errors.append(said.text) if "Refused" in said.text else None
        )
        self.origin = "{0.scheme}://{0.netloc}".format(urlsplit(url))
        self.page.goto(url)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        outside = [url for url in self.asked if not url.startswith((self.origin, "data:", "blob:"))]
        forbidden, errors = list(self.forbidden), list(self.errors)
        self.context.close()
        if kind is None:
            assert (outside, forbidden, errors) == ([], [], [])

    @property
    def content(self):
        return self.page.locator(".cm-content")

    def text(self):
        return self.page.locator("#query").input_value()

    def write(self, text):
        """Empty the editor and type."""
        self.content.click()
        self.page.keyboard.press("Control+a")
        self.page.keyboard.press("Delete")
        self.page.keyboard.insert_text(text)

    def run(self):
        self.page.keyboard.press("Control+Enter")


@pytest.fixture
def visit(browser, server, bundle):
    def visit_(path="/sparql", url=server.url, **options):
        return Visit(browser, url + path, **options)

    return visit_


# ---------------------------------------------------------------------------------------- with scripts


def test_one_types_completes_runs_and_reads_the_answer(visit):
    with visit() as seen:
        seen.write("")
        seen.page.keyboard.type("SELECT ?lab { ?lab a labora", delay=20)
        option = seen.page.locator(".cm-tooltip-autocomplete li").first
        expect(option).to_contain_text(":Laboratory")
        expect(option).to_contain_text("laboratory")
        # CodeMirror takes no choice for a moment after the list has opened: nobody chooses by accident.
        seen.page.wait_for_timeout(150)
        seen.page.keyboard.press("Enter")
        assert seen.text() == (
            "PREFIX : <https://w3id.org/cnrs-graph/ontology#>\nSELECT ?lab { ?lab a :Laboratory}"
        )
        seen.run()
        expect(seen.page.locator("#answer tbody tr").first).to_be_visible()
        rows = seen.page.locator("#answer tbody tr").count()
        assert f"Rows: {rows}" in seen.page.locator("#answer").inner_text()
        href = seen.page.locator("#answer tbody a").first.get_attribute("href")
        assert re.fullmatch(r"/id/laboratory/[a-z0-9-]+", href)
        shown = seen.page.locator("#answer tbody a").all_inner_texts()
        assert "Pierre Binétruy Center" in shown


def test_properties_come_first_where_one_is_due_and_variables_are_known(visit):
    with visit() as seen:
        seen.write("SELECT ?laboratory { ?laboratory ")
        # The class :Participation would fit as well.
        seen.page.keyboard.type("part", delay=20)
        expect(seen.page.locator(".cm-tooltip-autocomplete li").first).to_contain_text(re.compile(r"^:part"))
        seen.page.keyboard.press("Escape")
        seen.write("SELECT ?laboratory { ")
        seen.page.keyboard.type("?lab", delay=20)
        expect(seen.page.locator(".cm-tooltip-autocomplete li").first).to_have_text("?laboratory")


def test_a_mistake_is_marked_where_the_server_found_it(visit):
    with visit() as seen:
        # The letter before the mistake has two halves in JavaScript; the place counts characters.
        seen.write('SELECT * {\n  ?s ?p "🌍" ; nosuch:thing ?o }')
        seen.run()
        expect(seen.page.locator(".cm-lintRange-error")).to_have_text("nosuch:thing")
        expect(seen.page.get_by_role("alert")).to_contain_text("line 2, column 15: the prefix nosuch:")
        assert seen.page.evaluate("location.search") == ""
        seen.write(CODES)
        seen.run()
        expect(seen.page.locator("#answer tbody tr").first).to_be_visible()
        expect(seen.page.locator(".cm-lintRange-error")).to_have_count(0)


def test_a_saved_query_opens_and_runs(visit, publication):
    saved = publication.catalogue["cq-d8-country-codes"]
    with visit() as seen:
        menu = seen.page.get_by_label("Queries")
        assert menu.locator("option").count() == len(publication.catalogue) + 1
        menu.select_option(label=saved.summary)
        expect(seen.content).to_contain_text("alpha3")
        assert seen.text() == saved.text
        seen.page.get_by_role("button", name="Run it").click()
        expect(seen.page.locator("#answer")).to_contain_text("CAN")


def test_the_address_of_a_query_that_was_run_is_a_link_to_it(visit):
    with visit() as seen:
        seen.context.grant_permissions(["clipboard-read", "clipboard-write"])
        seen.write(CODES)
        seen.run()
        expect(seen.page.locator("#answer tbody tr").first).to_be_visible()
        address = seen.page.evaluate("location.href")
        assert parse_qs(urlsplit(address).query)["query"] == [CODES]
        seen.page.get_by_role("button", name="Copy a link").click()
        expect(seen.page.get_by_role("status")).to_have_text("The link is in the clipboard.")
        assert seen.page.evaluate("navigator.clipboard.readText()") == address
        seen.page.reload()
        expect(seen.page.locator("#answer tbody td").first).to_have_text("CA")
        assert seen.text() == CODES
        seen.page.go_back()
        expect(seen.content).to_contain_text("LIMIT 20")


def test_yes_no_and_graphs_are_shown_too(visit):
    with visit() as seen:
        seen.write("ASK { ?s ?p ?o }")
        seen.run()
        expect(seen.page.locator("#answer .lead")).to_have_text("yes")
        seen.write("CONSTRUCT { <urn:a> <urn:b> <urn:c> } {}")
        seen.run()
        expect(seen.page.locator("#answer pre")).to_contain_text("<urn:a> <urn:b> <urn:c>")


def test_columns_sort_and_long_tables_grow(visit):
    with visit() as seen:
        seen.write("SELECT ?n { { SELECT (STRLEN(STR(?p)) AS ?n) { ?s ?p ?o } LIMIT 450 } }")
        seen.run()
        rows = seen.page.locator("#answer tbody tr")
        expect(rows).to_have_count(200)
        seen.page.get_by_role("button", name="Show more rows").click()
        seen.page.get_by_role("button", name="Show more rows").click()
        expect(rows).to_have_count(450)
        expect(seen.page.get_by_role("button", name="Show more rows")).to_be_hidden()
        seen.page.get_by_role("button", name="n", exact=True).click()
        shown = [int(text) for text in seen.page.locator("#answer tbody td").all_inner_texts()]
        assert len(shown) == 200
        assert shown == sorted(shown)
        assert seen.page.locator("#answer th").get_attribute("aria-sort") == "ascending"


def test_a_query_can_be_stopped(visit):
    with visit() as seen:
        seen.write(SLOW)
        seen.run()
        seen.page.get_by_role("button", name="Stop").click()
        expect(seen.page.locator("#answer")).to_have_text("Stopped.")
        expect(seen.page.get_by_role("button", name="Run it")).to_be_visible()


def test_hostile_answers_do_nothing(visit):
    with visit() as seen:
        seen.write(
            "SELECT * { VALUES (?a ?b ?c) { (<javascript:alert(1)> <data:text/html,x> "
            '"<img src=https://evil.example/x onerror=alert(1)>") } }'
        )
        seen.run()
        expect(seen.page.locator("#answer tbody td").nth(2)).to_contain_text("<img src=")
        assert seen.page.locator("#answer tbody :is(a, img)").count() == 0


def test_an_answer_in_another_format_is_a_file(visit):
    with visit() as seen:
        seen.write(CODES)
        seen.page.get_by_label("Answer as").select_option("csv")
        with seen.page.expect_download() as waiting:
            seen.page.get_by_role("button", name="Run it").click()
        assert Path(waiting.value.path()).read_text(encoding="utf-8").startswith("code,c\nCA,")


def test_the_keyboard_gets_in_and_out_and_the_editor_has_a_name(visit):
    with visit() as seen:
        field = seen.page.get_by_role("textbox", name="Query")
        expect(field).to_have_count(1)
        expect(seen.page.locator("#examples")).to_be_visible()
        inside = "document.activeElement.shadowRoot?.activeElement?.className || document.activeElement.id"
        seen.page.locator("#examples").focus()
        # A scroller that overflows is a stop of its own in some browsers.
        stops = []
        for _ in range(4):
            seen.page.keyboard.press("Tab")
            stops.append(seen.page.evaluate(inside))
        assert any("cm-content" in stop for stop in stops)
        assert "cm-content" not in stops[-1]
        seen.page.get_by_text("Query", exact=True).click()
        assert "cm-content" in seen.page.evaluate(inside)
        assert "Tab leaves the editor" in seen.page.locator("form.query").inner_text()


CONTRAST = """() => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const rgb = colour => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data]; };
  const linear = v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
  const light = c => c.slice(0, 3).map(v => linear(v / 255))
    .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  const ground = element => { for (let e = element; e; e = e.parentElement || e.getRootNode().host) {
    const c = rgb(getComputedStyle(e).backgroundColor); if (c[3] === 255) return c; }
    return [255, 255, 255]; };
  const poor = []; let looked = 0;
  const inside = document.querySelector('.editor').shadowRoot.querySelectorAll('*');
  for (const element of [...inside, ...document.querySelectorAll('main *')]) {
    if (element.tagName === 'OPTION' || !element.getClientRects().length) continue;
    if (![...element.childNodes].some(n => n.nodeType === 3 && n.textContent.trim())) continue;
    looked += 1;
    const pair = [light(rgb(getComputedStyle(element).color)), light(ground(element))].sort((a, b) => b - a);
    const ratio = (pair[0] + .05) / (pair[1] + .05);
    if (ratio < 4.5) poor.push([element.outerHTML.slice(0, 90), ratio]);
  }
  return [looked, poor]; }"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(visit, publication, scheme):
    with visit(color_scheme=scheme) as seen:
        seen.write('# why\nPREFIX a: <urn:a>\nSELECT * { ?s a a:b ; a:c "text"@en, 12, true ')
        seen.page.keyboard.type(" ?", delay=20)
        expect(seen.page.locator(".cm-tooltip-autocomplete li").first).to_be_visible()
        looked, poor = seen.page.evaluate(CONTRAST)
        assert looked > 20
        assert poor == []
        seen.page.evaluate("document.querySelector('h1').style.setProperty('color', 'var(--ground)')")
        assert seen.page.evaluate(CONTRAST)[1], "the check does not see pale text"


@pytest.mark.parametrize("width", [1280, 375])
def test_the_page_fits_its_screen(visit, width):
    with visit(viewport={"width": width, "height": 800}) as seen:
        expect(seen.page.locator("#examples")).to_be_visible()
        seen.write(CODES.replace("?code }", "?code , ?" + "long" * 60 + " }"))
        seen.run()
        expect(seen.page.locator("#answer tbody tr").first).to_be_visible()
        assert seen.page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_watch_on_the_policy_sees_a_style_element_and_a_call_elsewhere(visit):
    seen = visit()
    style = "Object.assign(document.createElement('style'), {textContent: 'p { color: red }'})"
    seen.page.evaluate(f"document.head.append({style})")
    seen.page.evaluate("fetch('https://elsewhere.example/').catch(() => 0)")
    seen.page.wait_for_timeout(200)
    assert any("style-src" in each for each in seen.forbidden)
    assert any("connect-src https://elsewhere.example" in each for each in seen.forbidden)
    seen.context.close()


def test_the_editor_works_under_a_prefix(browser, bundle):
    settings = {"public_url": "https://data.example/a/b", "query_seconds": 2}
    with Server("--no-validate", **settings) as started, Visit(browser, f"{started.url}/a/b/sparql") as seen:
        seen.page.get_by_label("Queries").select_option(index=1)
        expect(seen.content).to_contain_text("summary")
        seen.write(CODES)
        seen.run()
        link = seen.page.locator("#answer tbody a").first
        assert link.get_attribute("href").startswith("/a/b/id/country/")
        assert all(urlsplit(url).path.startswith("/a/b/") for url in seen.asked)


# ------------------------------------------------------------------------------------ charts and maps

GYEAR = "http://www.w3.org/2001/XMLSchema#gYear"
BARS = 'SELECT * { VALUES (?name ?n ?share) { ("Canada" 8 0.5) ("Mexico" 4 0.25) ("<b>Chile</b>" -2 0.1) } }'
LINES = "SELECT * {{ VALUES (?kind ?year ?n) {{ {} }} }}".format(
    " ".join(
        f'("{kind}" "{year}"^^<{GYEAR}> {year - 2010 + len(kind)})'
        for kind in ("IRL", "network")
        for year in (2020, 2018, 2019)
    )
)
WKT = "http://www.opengis.net/ont/geosparql#wktLiteral"
POINTS = f"""SELECT * {{ VALUES (?name ?thing ?at) {{
  ("Sherbrooke" <https://w3id.org/cnrs-graph/id/place/sherbrooke> "POINT(-71.9 45.4)"^^<{WKT}>)
  ("Tucson" <javascript:alert(1)> "<http://www.opengis.net/def/crs/EPSG/0/4326> POINT(32.2 -110.9)"^^<{WKT}>)
  ("Sherbrooke again" <urn:x> "POINT(-71.9 45.4)"^^<{WKT}>)
  ("nowhere" <urn:y> "POLYGON((0 0))"^^<{WKT}>) }} }}"""


def picture(seen, query, view):
    seen.write(query)
    seen.run()
    seen.page.get_by_role("button", name=view, exact=True).click()
    drawn = seen.page.locator("svg.picture")
    expect(drawn).to_be_visible()
    return drawn


def test_a_name_and_a_number_are_bars_that_say_what_they_are(visit, bundle):
    with visit() as seen:
        seen.write(BARS)
        seen.run()
        expect(seen.page.locator("#answer tbody tr")).to_have_count(3)
        assert not any(bundle.pictures in url for url in seen.asked)
        drawn = picture(seen, BARS, "Chart")
        assert sum(url.endswith(bundle.pictures) for url in seen.asked) == 1
        expect(seen.page.get_by_role("listitem", name="Canada: 8")).to_be_visible()
        expect(drawn).to_contain_text("<b>Chile</b>")
        widths = [float(bar.get_attribute("width")) for bar in drawn.locator("rect").all()]
        assert widths[0] == pytest.approx(2 * widths[1], abs=0.1)
        assert widths[0] == pytest.approx(4 * widths[2], abs=0.1)
        seen.page.get_by_label("Number").select_option("share")
        expect(seen.page.get_by_role("listitem", name="Mexico: 0.25")).to_be_visible()
        seen.page.get_by_role("button", name="Table", exact=True).click()
        expect(seen.page.locator("#answer tbody tr")).to_have_count(3)


def test_years_and_numbers_are_lines_in_the_order_of_the_years(visit):
    with visit() as seen:
        drawn = picture(seen, LINES, "Chart")
        assert drawn.locator("g.line").count() == 2
        across = [float(dot.get_attribute("cx")) for dot in drawn.locator("g.line-0 circle").all()]
        assert across == sorted(across)
        assert len(across) == 3
        expect(seen.page.get_by_role("listitem", name="network, 2019: 16")).to_be_attached()
        assert {"2018", "2019", "2020"} <= set(drawn.locator(".tick").all_text_contents())


def test_points_are_spots_on_a_map_with_links_to_things_of_this_site(visit):
    with visit() as seen:
        drawn = picture(seen, POINTS, "Map")
        assert drawn.locator(".spot").count() == 2
        assert len(drawn.locator(".land").get_attribute("d")) > 1000
        both = drawn.get_by_label("Sherbrooke, Sherbrooke again")
        assert both.get_attribute("href") is None
        assert drawn.locator("a").count() == 0
        east, west = (float(spot.get_attribute("cx")) for spot in drawn.locator(".spot").all())
        assert east > west
        expect(seen.page.locator("figcaption")).to_have_text("3 of 4 shown")
        picture(
            seen,
            POINTS.replace('("Sherbrooke again" <urn:x> "POINT(-71.9 45.4)"', '("x" <urn:x> "POINT(2 48)"'),
            "Map",
        )
        link = drawn.get_by_role("link", name="Sherbrooke")
        assert link.get_attribute("href") == "/id/place/sherbrooke"
        seen.page.keyboard.press("Tab")


def test_the_saved_query_about_sites_is_a_map(visit):
    with visit() as seen:
        text = (ROOT / "queries/cq-b7-sites-of-laboratories.rq").read_text(encoding="utf-8")
        drawn = picture(seen, text, "Map")
        assert drawn.locator(".spot").count() > 5
        assert drawn.locator("a").count() > 3
        # Latitudes are no numbers to draw bars of.
        assert seen.page.get_by_role("button", name="Chart", exact=True).count() == 0


def test_what_fits_no_picture_is_a_table_alone(visit):
    with visit() as seen:
        seen.write(CODES)
        seen.run()
        expect(seen.page.locator("#answer tbody tr").first).to_be_visible()
        assert seen.page.locator(".views").count() == 0


def test_the_choice_of_a_view_stays_for_the_next_answer(visit):
    with visit() as seen:
        picture(seen, BARS, "Chart")
        seen.write(BARS.replace("Mexico", "Cuba"))
        seen.run()
        expect(seen.page.get_by_role("listitem", name="Cuba: 4")).to_be_visible()
        pressed = seen.page.get_by_role("button", name="Chart", exact=True).get_attribute("aria-pressed")
        assert pressed == "true"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("query", [BARS, LINES], ids=["bars", "lines"])
def test_a_picture_is_readable_on_a_phone(visit, scheme, query):
    with visit(viewport={"width": 375, "height": 800}, color_scheme=scheme) as seen:
        drawn = picture(seen, query, "Chart")
        assert seen.page.evaluate("document.documentElement.scrollWidth") <= 375
        box = drawn.bounding_box()
        for text in drawn.locator("text").all():
            inside = text.bounding_box()
            assert inside["x"] >= box["x"] - 1
            assert inside["x"] + inside["width"] <= box["x"] + box["width"] + 1
        ink, ground = seen.page.evaluate(
            "[getComputedStyle(document.querySelector('svg.picture text')).fill,"
            " getComputedStyle(document.body).backgroundColor]"
        )
        assert ink != ground


# ------------------------------------------------------------------------------------- without scripts


def test_without_scripts_the_form_asks_and_the_page_answers(visit):
    with visit(java_script_enabled=False) as seen:
        seen.page.get_by_label("Query").fill(CODES)
        seen.page.get_by_role("button", name="Run it").click()
        assert seen.page.locator("#answer tbody td").first.inner_text() == "CA"
        assert urlsplit(seen.page.url).fragment == "answer"
        assert seen.text() == CODES


def test_without_scripts_a_mistake_comes_back_with_the_query(visit):
    with visit(java_script_enabled=False) as seen:
        seen.page.get_by_label("Query").fill("SELECT * { ?s nosuch:p ?o }")
        seen.page.get_by_role("button", name="Run it").click()
        assert "column 15: the prefix nosuch:" in seen.page.get_by_role("alert").inner_text()
        assert seen.text() == "SELECT * { ?s nosuch:p ?o }"


def test_a_link_to_a_query_with_a_mistake_opens_with_the_mark(visit):
    with visit("/sparql?query=SELECT%20*%20%7B%20%3Fs%20nosuch:p%20%3Fo%20%7D") as seen:
        expect(seen.page.locator(".cm-lintRange-error")).to_have_text("nosuch:p")


def test_the_menu_of_formats_counts_only_where_a_page_was_asked_for(client):
    def got(accept, name, query="SELECT ?s { ?s ?p ?o } LIMIT 1"):
        return client.get("/sparql", params={"query": query, "format": name}, headers={"Accept": accept})

    page = "text/html,application/xhtml+xml,*/*;q=0.8"
    assert got(page, "csv").headers["content-type"] == "text/csv; charset=utf-8"
    assert got(page, "page").headers["content-type"].startswith("text/html")
    assert got(page, "nonsense").headers["content-type"].startswith("text/html")
    assert got("application/sparql-results+xml", "csv").headers["content-type"].endswith("xml")
    refused = got(page, "csv", "CONSTRUCT WHERE { ?s ?p ?o }")
    assert refused.status_code == 406
    assert "text/turtle" in refused.text


def test_a_page_without_the_bundle_is_a_plain_form(monkeypatch):
    monkeypatch.setattr(result_page, "bundle", lambda: None)
    answer = query_form(a_publication())
    assert b"<textarea" in answer.body
    assert b"<script" not in answer.body
    assert "script-src" not in answer.header("Content-Security-Policy")


def test_only_the_query_page_may_run_scripts(bundle, client):
    policy = client.get("/sparql", headers={"Accept": "text/html"}).headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert re.findall(r"(?:script|style|connect)-src [^;]*", policy) == [
        "style-src 'self'",
        "script-src 'self'",
        "connect-src 'self'",
    ]
    assert "unsafe" not in policy
    other = client.get("/queries", headers={"Accept": "text/html"}).headers["content-security-policy"]
    assert "script-src" not in other


# ------------------------------------------------------------------------------------------ its files


def test_the_files_have_hashed_names_their_types_and_a_long_life(bundle, client):
    types = {".js": "text/javascript", ".css": "text/css", ".txt": "text/plain"}
    assert {Path(path).suffix for path in bundle.files} == set(types)
    for path in bundle.files:
        got = client.get(path)
        assert got.status_code == 200
        assert re.search(r"\.[0-9a-f]{12}\.\w+$", path)
        assert got.headers["content-type"].startswith(types[Path(path).suffix])
        assert got.headers["cache-control"] == "public, max-age=31536000"
        assert got.headers["x-content-type-options"] == "nosniff"
    page = client.get("/sparql", headers={"Accept": "text/html"}).text
    assert f'<script type="module" src="{bundle.script}">' in page
    assert dict(site.addresses(a_publication()))[bundle.script] is editor.SCRIPT


def test_the_notices_name_every_package_of_the_bundle(bundle):
    notices = bundle.files[bundle.licences][1].decode()
    lock = json.loads((ROOT / "editor/package-lock.json").read_text(encoding="utf-8"))
    shipped = {
        path.removeprefix("node_modules/"): facts["version"]
        for path, facts in lock["packages"].items()
        if path and not facts.get("dev") and not facts.get("optional")
    }
    # Installed with others, but nothing of them is in the bundle: a command line, and maps of objects.
    for unused in ("commander", "internmap"):
        assert f"{unused} {shipped.pop(unused)} (" not in notices
    assert len(shipped) > 8
    absent = [name for name, version in shipped.items() if f"{name} {version} (" not in notices]
    assert absent == []
    assert len(re.findall("Permission is hereby granted|Permission to use, copy", notices)) >= len(shipped)


def test_the_bundle_is_small_and_names_no_host_it_could_call(bundle):
    import gzip

    for path, most in ((bundle.script, 150_000), (bundle.pictures, 75_000)):
        script = bundle.files[path][1]
        assert 10_000 < len(gzip.compress(script)) < most
        hosts = set(re.findall(rb"https?://([a-z0-9.-]+)", script))
        assert hosts <= {b"www.w3.org"}  # the namespace of SVG


def test_the_lock_pins_every_package_and_names_no_registry():
    text = (ROOT / "editor/package-lock.json").read_text(encoding="utf-8")
    packages = {path: facts for path, facts in json.loads(text)["packages"].items() if path}
    assert len(packages) > 10
    assert all(facts.get("integrity", "").startswith("sha512-") for facts in packages.values())
    assert "http" not in text
    assert "resolved" not in text
    assert (ROOT / "editor/.npmrc").read_text(encoding="utf-8") == "omit-lockfile-registry-resolved=true\n"


def test_a_build_without_npm_says_so_and_goes_on(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    import hatch_build

    for name in ("package-lock.json", "build.mjs"):
        (tmp_path / "editor").mkdir(exist_ok=True)
        (tmp_path / "editor" / name).write_text("{}", encoding="utf-8")
    monkeypatch.setattr(hatch_build.shutil, "which", lambda _: None)
    assert hatch_build.bundle(tmp_path) == f"npm is not installed: {hatch_build.PLAIN}"
    made = tmp_path / hatch_build.MANIFEST
    made.parent.mkdir(parents=True)
    made.write_text("{}", encoding="utf-8")
    assert hatch_build.bundle(tmp_path) is None
    assert editor.read_bundle(tmp_path) is None


def test_the_sdist_carries_the_editor_and_what_makes_it(bundle, tmp_path):
    subprocess.run(
        [sys.executable, "-m", "build", "--sdist", "--no-isolation", "--outdir", tmp_path, ROOT],
        check=True,
        capture_output=True,
        timeout=180,
    )
    [built] = tmp_path.glob("*.tar.gz")
    with tarfile.open(built) as archive:
        inside = {name.partition("/")[2] for name in archive.getnames()}
    assert {"hatch_build.py", "editor/package-lock.json", "editor/build.mjs", "editor/src/main.js"} <= inside
    assert "src/cnrs_graph/static/manifest.json" in inside
    assert not any("node_modules" in name for name in inside)


# ------------------------------------------------------------------------------------ what it completes


def test_completions_are_the_terms_that_the_data_uses(client, publication):
    got = client.get("/sparql/completions.json")
    assert got.headers["content-type"] == "application/json"
    assert (
        client.get("/sparql/completions.json", headers={"If-None-Match": got.headers["etag"]}).status_code
        == 304
    )
    known = got.json()
    count = client.post(
        "/sparql",
        data={"query": "SELECT ?k (COUNT(DISTINCT ?s) AS ?n) { ?s a ?k FILTER(isIRI(?s)) } GROUP BY ?k"},
        headers={"Accept": "text/csv"},
    )
    counted = dict(line.rsplit(",", 1) for line in count.text.split()[1:])
    classes = {term["iri"]: term["count"] for term in known["terms"] if term["kind"] == "class"}
    assert len(classes) > 20
    assert {kind: counted.get(kind) for kind in classes} == {kind: str(n) for kind, n in classes.items()}
    ours = "https://w3id.org/cnrs-graph/ontology#"
    kinds = {term["iri"]: (term["kind"], term["label"]) for term in known["terms"]}
    assert kinds[f"{ours}Laboratory"] == ("class", "laboratory")
    assert kinds[f"{ours}partnerCountry"][0] == "property"  # inferred only
    assert kinds["https://w3id.org/cnrs-graph/vocab/role/host"][0] == "thing"
    assert [query["name"] for query in known["queries"]][:2] == [
        "cq-a1-announced-per-country",
        "cq-a2-parts-and-totals",
    ]


def test_another_publication_has_its_own_prefixes_and_none_of_ours():
    known = json.loads(reply(a_publication(), "/sparql/completions.json").body)
    assert known["prefixes"][""] == f"{BASE}ontology#"
    assert known["prefixes"]["skos"] == "http://www.w3.org/2004/02/skos/core#"
    assert not any("cnrs-graph" in iri for iri in known["prefixes"].values())
    twice = prefixes(BASE, ["PREFIX x: <urn:1>\nprefix y:<urn:1> PREFIX z: <urn:2>", " PREFIX x: <urn:3>"])
    assert (twice["x"], "y" in twice, "z" in twice) == ("urn:1", False, False)


def test_things_are_not_listed_when_they_are_many(monkeypatch):
    from cnrs_graph import completion

    desk = Site(a_publication()).documents.desk("en")
    assert MOST_THINGS > 1000
    assert b'"thing"' in completions(desk, {})
    monkeypatch.setattr(completion, "MOST_THINGS", 1)
    assert b'"thing"' not in completions(desk, {})


def test_the_endpoint_says_what_is_wrong_to_people_and_programs(client):
    broken = {"query": "SELECT * {"}
    page = client.get("/sparql", params=broken, headers={"Accept": "text/html"})
    assert page.status_code == 400
    assert "SELECT * {</textarea>" in page.text
    assert client.get("/sparql", params=broken).json()["line"] == 1
