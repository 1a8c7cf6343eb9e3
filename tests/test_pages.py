"""The pages in a browser: nothing breaks, leaves the site or overflows; and what they say."""

import re
import shutil
import threading
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from garden import a_publication
from playwright.sync_api import sync_playwright

from cnrs_graph.pages import natural, page_language, spelled
from cnrs_graph.search import FIELDS
from cnrs_graph.site import query_form, reply
from cnrs_graph.words import LANGUAGES, PROPERTIES, WORDS

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
PATHS = [
    "/",
    "/browse",
    "/browse/Laboratory",
    "/browse/Cooperation?partnerCountry=id/country/can",
    "/search",
    "/search?q=univresity",
    "/search?q=nothing+of+it",
    "/doc/cooperation/ln2",
    "/doc/laboratory/gt-cnrs",
    "/doc/country/can",
    "/doc/institution/cnrs",
    "/doc/source/founding-text",
    "/doc/term/ln2/1",
    "/vocab/role",
    "/vocab/role/host",
    "/ontology",
    "/shapes",
    "/queries",
    "/sparql",
    "/dataset",
    "/graph/inferred",
    "/doc/cooperation/nowhere",
]


class Door(BaseHTTPRequestHandler):
    """The smallest server around `reply`."""

    publication = None

    def do_GET(self):
        path, _, query = self.path.partition("?")
        accept = self.headers.get("Accept")
        answer = query_form(self.publication) if path == "/sparql" else None
        answer = answer or reply(self.publication, path, accept=accept, query=query)
        self.send_response(answer.status)
        for name, value in answer.headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, *_):
        pass


def served(publication):
    door = type("ThisDoor", (Door,), {"publication": publication})
    server = ThreadingHTTPServer(("127.0.0.1", 0), door)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, f"http://127.0.0.1:{server.server_port}"


@pytest.fixture(scope="module")
def shipped(publication):
    server, url = served(publication)
    yield url
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def browser():
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield chromium
        chromium.close()


def visit(browser, url, *, width=1280, scheme="light"):
    """Open a page; gives it with everything it complained about and every address it asked for."""
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    complaints, asked = [], []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(url)
    return page, complaints, asked


@pytest.mark.parametrize("path", PATHS)
def test_a_page_is_quiet_local_and_fits_a_small_screen(browser, shipped, path):
    page, complaints, asked = visit(browser, shipped + path, width=360)
    missing = "nowhere" in path
    assert [text for text in complaints if not (missing and "404" in text)] == []
    assert [url for url in asked if not url.startswith(shipped)] == []
    assert any("/static/site." in url for url in asked)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.title()
    assert page.locator("h1").count() == 1
    assert page.locator("main").count() == 1
    assert page.locator("html").get_attribute("lang") == "en"
    page.close()


CONTRAST = """() => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const rgb = colour => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data]; };
  const linear = v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
  const light = c => c.slice(0, 3).map(v => linear(v / 255))
    .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  const ground = element => { for (let e = element; e; e = e.parentElement) {
    const c = rgb(getComputedStyle(e).backgroundColor); if (c[3] === 255) return c; }
    return [255, 255, 255]; };
  const poor = [];
  for (const element of document.querySelectorAll('body *')) {
    if (![...element.childNodes].some(n => n.nodeType === 3 && n.textContent.trim())) continue;
    const pair = [light(rgb(getComputedStyle(element).color)), light(ground(element))];
    pair.sort((a, b) => b - a);
    const ratio = (pair[0] + .05) / (pair[1] + .05);
    if (ratio < 4.5) poor.push([element.outerHTML.slice(0, 80), ratio]);
  }
  return poor; }"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    "path", ["/", "/doc/cooperation/ln2", "/shapes", "/queries/cq-a1-announced-per-country"]
)
def test_text_stands_out_from_its_ground(browser, shipped, path, scheme):
    page, _, _ = visit(browser, shipped + path, scheme=scheme)
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(251, 250, 247)") is (scheme == "light")
    assert page.evaluate(CONTRAST) == []
    page.close()


def test_the_contrast_test_sees_pale_text(browser, shipped):
    page, _, _ = visit(browser, f"{shipped}/")
    page.evaluate("document.querySelector('h1').style.setProperty('color', '#bbb')")
    assert page.evaluate(CONTRAST)
    page.close()


def test_one_walks_from_the_front_page_to_a_source_with_the_keyboard_and_links(browser, shipped):
    page, _, _ = visit(browser, f"{shipped}/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.click("ul.counts a:has-text('Cooperation')")
    page.click("ul.things a:has-text('LN2')")
    assert page.locator("h1").inner_text() == "IRL LN2 (Sherbrooke)"
    page.locator("sup.marks a").first.click()
    assert page.evaluate("location.hash").startswith("#source-")
    page.locator(".sources li:target a").first.click()
    assert "/doc/source/" in page.url
    page.close()


def test_hostile_texts_do_nothing_in_a_browser(browser):
    server, url = served(a_publication())
    page, complaints, asked = visit(browser, f"{url}/doc/garden/hostile")
    assert "<script>alert(1)</script>" in page.locator("h1").inner_text()
    assert complaints == []
    assert all(address.startswith(url) for address in asked)
    page.close()
    server.shutdown()
    server.server_close()


def test_pages_print_without_their_frame(browser, shipped):
    page, _, _ = visit(browser, f"{shipped}/doc/cooperation/ln2")
    page.emulate_media(media="print")
    assert not page.locator("header.site nav").first.is_visible()
    assert page.locator("h1").is_visible()
    page.close()


# ------------------------------------------------------------------------------------- what pages say


class Outline(HTMLParser):
    def __init__(self):
        super().__init__()
        self.levels, self.tables, self.headers = [], 0, []

    def handle_starttag(self, tag, attrs):
        if tag in ("h1", "h2", "h3", "h4"):
            self.levels.append(int(tag[1]))
        if tag == "th":
            self.headers.append(dict(attrs).get("scope"))


@pytest.fixture(scope="module")
def garden():
    return a_publication()


def page(publication, path, **rest):
    answer = reply(publication, path, accept="text/html", **rest)
    assert answer.status == 200
    return answer.body.decode()


@pytest.mark.parametrize(
    "path", ["/", "/doc/garden/north", "/ontology", "/shapes", "/vocab/plant", "/dataset"]
)
def test_headings_step_down_one_level_at_a_time_and_tables_name_their_columns(garden, path):
    outline = Outline()
    outline.feed(page(garden, path))
    assert outline.levels[0] == 1
    assert all(after - before <= 1 for before, after in zip(outline.levels, outline.levels[1:], strict=False))
    assert all(scope == "col" for scope in outline.headers)


def test_a_thing_page_says_all_there_is_to_say(garden):
    text = page(garden, "/doc/garden/north")
    for said in (
        "<h1>North garden</h1>",
        '<a href="/ontology#Garden">garden</a>',
        "The one behind the house.",
        '<span lang="fr">Jardin du nord</span> <span class="aside">(in French)</span>',
        '<dd>1901<sup class="marks" role="group" aria-label="Sources"><a href="#source-',
        "<dd>yes",
        '<span lang="fr-ca">Vivre à l&#39;ombre</span>',
        'rel="external noopener">north.example</a>',
        '<span class="derived"',
        '<a href="/vocab/plant/rose">rose</a>',
        ">1899<",
        '<a href="/doc/source/rumour">A rumour</a>',
        '<code class="iri">https://example.org/g/id/garden/north</code>',
        'href="/data/garden/north.jsonld" rel="alternate" type="application/ld+json"',
        '<link rel="canonical" href="https://example.org/g/id/garden/north">',
        "Nobody&#39;s service.",
        'href="https://licence.example/by"',
    ):
        assert said in text, said
    unknown = text[text.index("What we do not know") :]
    assert '<a href="/doc/doubt/founding">When was it founded?</a>' in unknown


def test_a_name_in_another_language_says_so(garden):
    assert (
        '<a href="/doc/garden/south" lang="fr">Jardin du sud</a> <span class="aside">(in French)</span>'
        in page(garden, "/browse/Garden")
    )


def test_the_ontology_page_has_an_anchor_for_each_term_and_reads_expressions(garden):
    text = page(garden, "/ontology")
    for name in ("Garden", "bedOf", "openAllYear"):
        assert f'id="{name}"' in text
    assert "garden and open all year: yes" in page(garden, "/terms/Tended")


def test_the_rules_page_shows_handle_gravity_and_message(garden):
    text = page(garden, "/shapes")
    for said in ("BD1", "warning", "A bed is in a garden", 'href="/rules/'):
        assert said in text
    assert "Say in which garden the bed is." in page(garden, re.search(r'href="(/rules/[^"]+)"', text)[1])


def test_a_query_page_shows_its_text_and_runs_it(garden):
    text = page(garden, "/queries/gardens")
    assert "?g a &lt;https://example.org/g/ontology#Garden&gt;" in text
    assert 'href="/sparql?query=SELECT%20%3Fg%20WHERE' in text


def test_the_interface_has_every_word_in_every_language():
    assert WORDS
    first = next(iter(WORDS.values()))
    for language, words in WORDS.items():
        assert words.keys() == first.keys()
        assert language in LANGUAGES
        assert PROPERTIES[language].keys() == PROPERTIES[next(iter(WORDS))].keys()


def test_every_word_is_used():
    from pathlib import Path

    import cnrs_graph

    root = Path(cnrs_graph.__file__).parent
    files = [*root.glob("templates/*.html"), *(each for each in root.glob("*.py") if each.stem != "words")]
    assert len(files) > 10
    text = "".join(path.read_text(encoding="utf-8") for path in files)
    indirect = {
        "violation",
        "warning",
        "info",
        "error-400",
        "error-404",
        "error-406",
        "error-410",
        "error-500",
        *(f"search-why-{field}" for field in FIELDS),
    }
    for key in WORDS["en"].keys() - indirect:
        assert f'"{key}"' in text or f"'{key}'" in text, f"nobody says {key!r}"


def test_the_language_asked_for_is_used_only_if_there_are_words_for_it():
    assert page_language("xx, en;q=0.1") == "en"
    assert page_language("xx") == next(iter(WORDS))
    assert page_language(None) == next(iter(WORDS))
    assert page_language(";;q=,en;q=2") == next(iter(WORDS))


def test_numbers_in_names_sort_as_numbers():
    assert sorted(["term 10", "term 2", "x"], key=natural) == ["term 2", "term 10", "x"]
    assert spelled("hadPrimarySource") == "had primary source"
