"""The site as files: the server's bytes, served by real web servers with the rules that come with them."""

import os
import re
import socket
import subprocess
import time
from html import unescape
from urllib.parse import urlsplit

import httpx
import pytest
from garden import BASE, a_publication, iri

from cnrs_graph.addresses import prefix_of
from cnrs_graph.errors import SourceError
from cnrs_graph.export import FILES, export, file_of
from cnrs_graph.formats import GRAPH_FORMATS, PAGE, TURTLE
from cnrs_graph.register import Retired
from cnrs_graph.site import addresses, reply

LOST, OLD, NORTH = (iri(f"id/garden/{slug}") for slug in ("lost", "old", "north"))
RETIRED = {LOST: Retired(LOST, None, "never was a garden"), OLD: Retired(OLD, NORTH)}
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


class WebServer:
    """A web server of Debian, with the rules of an export."""

    def __init__(self, place, scratch):
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.process = subprocess.Popen(self.command(place, scratch))

    def __enter__(self):
        for _ in range(200):
            if self.process.poll() is not None:
                break
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                time.sleep(0.05)
            else:
                return self
        self.__exit__()
        raise RuntimeError("the web server did not start; is it installed (make test installs it)?")

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(10)


class Apache(WebServer):
    def command(self, place, scratch):
        modules = ("mpm_event", "authz_core", "dir", "mime", "rewrite", "headers")
        loaded = "".join(f"LoadModule {m}_module /usr/lib/apache2/modules/mod_{m}.so\n" for m in modules)
        owner = "User www-data\nGroup www-data\n" if os.getuid() == 0 else ""
        file = scratch / "apache.conf"
        file.write_text(
            f"ServerRoot {scratch}\nPidFile {scratch}/pid\nErrorLog {scratch}/errors\n{loaded}{owner}"
            f"TypesConfig /dev/null\nDefaultRuntimeDir {scratch}\nServerName 127.0.0.1\n"
            f"Listen 127.0.0.1:{self.port}\n"
            f"<VirtualHost *:{self.port}>\nDocumentRoot {place}/{FILES}\nInclude {place}/apache.conf\n"
            "</VirtualHost>\n"
        )
        for folder in (place, *place.parents):
            if folder != folder.parent and os.getuid() == 0:
                folder.chmod(folder.stat().st_mode | 0o055)
        return ["/usr/sbin/apache2", "-D", "FOREGROUND", "-f", file]


class Nginx(WebServer):
    def command(self, place, scratch):
        user = "user root;" if os.getuid() == 0 else ""
        paths = "".join(
            f"{kind}_temp_path {scratch}/{kind};\n"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        file = scratch / "nginx.conf"
        file.write_text(
            f"{user} daemon off; pid {scratch}/pid; error_log {scratch}/errors warn; worker_processes 1;\n"
            f"events {{ worker_connections 64; }}\nhttp {{ access_log off;\n{paths}"
            f"server {{ listen 127.0.0.1:{self.port};\nroot {place}/{FILES};\n"
            f"include {place}/nginx.conf; }} }}\n"
        )
        return [
            "/usr/sbin/nginx",
            "-p",
            scratch,
            "-e",
            scratch / "errors",
            "-c",
            file,
        ]


@pytest.fixture(scope="module", params=[Nginx, Apache])
def kind_of_server(request):
    return request.param


@pytest.fixture(scope="module", params=["", "https://gardens.example/a/b"])
def copied(request, kind_of_server, tmp_path_factory):
    """A publication, where its copy is, and a client of the copy as a web server serves it."""
    publication = a_publication(public_url=request.param, retired=RETIRED)
    place = tmp_path_factory.mktemp("copy") / "site"
    count = export(publication, place)
    assert count == sum(1 for each in (place / FILES).rglob("*") if each.is_file()) > 200
    with (
        kind_of_server(place, tmp_path_factory.mktemp("server")) as served,
        httpx.Client(base_url=f"http://127.0.0.1:{served.port}", timeout=10) as client,
    ):
        yield publication, place, client


def location(answer):
    """Where an answer leads; Apache puts the host before it."""
    target = answer.headers.get("location")
    return target.removeprefix(f"http://{answer.url.netloc.decode()}") if target else None


def test_every_file_is_what_the_server_answers(copied):
    publication, place, _ = copied
    root = place / FILES / prefix_of(publication.public_url).strip("/")
    checked = 0
    for path, fmt in addresses(publication):
        answer = reply(publication, path, accept=fmt.media_type)
        if answer.status == 200:
            assert (root / file_of(path, fmt)).read_bytes() == answer.body, path
            checked += 1
        else:
            assert answer.status == 406
    assert checked > 200


def test_the_copy_answers_as_the_server_does(copied):
    """Every address with every Accept of one format: status, type, bytes, and where it leads."""
    publication, _, client = copied
    prefix = prefix_of(publication.public_url)
    asked = {(path, fmt.media_type) for path, fmt in addresses(publication)}
    asked |= {(path, BROWSER) for path, fmt in addresses(publication) if fmt is PAGE}
    docs = [path for path, _ in addresses(publication) if path.startswith("/doc/")]
    things = [path.replace("/doc/", "/id/", 1) for path in docs]
    assert len(things) > 5
    asked |= {(path, fmt.media_type) for path in (*docs, *things) for fmt in (PAGE, *GRAPH_FORMATS)}
    for path, accept in sorted(asked):
        ours = reply(publication, path, accept=accept)
        theirs = client.get(
            httpx.URL(client.base_url, raw_path=(prefix + path).encode()), headers={"Accept": accept}
        )
        if ours.status == 406:
            continue
        assert theirs.status_code == ours.status, (path, accept)
        assert location(theirs) == ours.header("Location"), (path, accept)
        if ours.status == 200:
            assert theirs.content == ours.body, (path, accept)
            assert theirs.headers["content-type"] == ours.header("Content-Type"), (path, accept)
        for name in ("Access-Control-Allow-Origin", "X-Content-Type-Options", "Referrer-Policy"):
            assert theirs.headers[name] == ours.header(name), (path, name)
        if ours.header("Content-Security-Policy"):
            assert theirs.headers["Content-Security-Policy"].startswith(
                "default-src 'none'; style-src 'self'"
            )


def test_a_client_of_linked_data_finds_everything_in_the_copy(copied):
    """From each thing, by Accept alone, to the same bytes as from the server."""
    publication, _, client = copied
    prefix, found = prefix_of(publication.public_url), 0
    for path, fmt in addresses(publication):
        if not path.startswith("/doc/"):
            continue
        for fmt in (PAGE, *GRAPH_FORMATS):
            start = httpx.URL(client.base_url, raw_path=(prefix + path.replace("/doc/", "/id/", 1)).encode())
            got = client.get(start, headers={"Accept": fmt.media_type}, follow_redirects=True)
            own = path if fmt is PAGE else f"{path.replace('/doc/', '/data/', 1)}.{fmt.extension}"
            wanted = reply(publication, own, accept=fmt.media_type)
            if wanted.status == 200:
                assert got.content == wanted.body
                found += 1
            if fmt is PAGE:
                for target in re.findall(r'href="(/[^"]*)"', got.text):
                    link = urlsplit(unescape(target)).path
                    if link.endswith(("/sparql", "/opensearch.xml")):
                        continue  # a copy answers no queries
                    at = httpx.URL(client.base_url, raw_path=link.encode())
                    # What RDF/XML cannot hold is no file; the server says 406.
                    ours = reply(publication, link.removeprefix(prefix)).status
                    assert client.get(at).status_code == (404 if ours == 406 else 200), (path, link)
    assert found > 30


def test_who_follows_signposts_finds_them_in_the_copy(copied):
    publication, _, client = copied
    prefix = prefix_of(publication.public_url)
    header = client.get(f"{prefix}/doc/garden/north", headers={"Accept": "text/html"}).headers["link"]
    assert f'<{BASE}id/garden/north>; rel="cite-as"' in header
    for target, kind in re.findall(r'<([^>]*)>; rel="(?:describedby|linkset)"; type="([^"]*)"', header):
        answer = client.get(target)
        assert answer.headers["content-type"].partition(";")[0] == kind
        assert answer.content == reply(publication, target.removeprefix(prefix)).body


@pytest.mark.parametrize(("accept", "extension"), [(BROWSER, "html"), ("text/turtle", "ttl")])
def test_what_is_gone_is_gone_in_the_copy_too(copied, accept, extension):
    publication, _, client = copied
    prefix = prefix_of(publication.public_url)
    for path in ("/id/garden/lost", "/doc/garden/lost", "/data/garden/lost.ttl"):
        answer = client.get(prefix + path, headers={"Accept": accept})
        wanted = reply(publication, path, accept=accept)
        assert (answer.status_code, answer.content) == (410, wanted.body), path
        assert answer.headers["content-type"] == wanted.header("Content-Type")
    assert client.get(f"{prefix}/gone/garden/lost.{extension}").status_code == 404
    for path in ("/id/garden/old", "/doc/garden/old", "/data/garden/old.nt"):
        answer = client.get(prefix + path, headers={"Accept": accept})
        wanted = reply(publication, path, accept=accept)
        assert (answer.status_code, location(answer)) == (301, wanted.header("Location"))


@pytest.mark.parametrize(
    "path", ["/id/garden/nowhere", "/doc/garden/nowhere", "/data/garden/north.exe", "/x/y", "/404"]
)
def test_what_is_not_there_is_a_page_that_says_so(copied, path):
    publication, _, client = copied
    answer = client.get(prefix_of(publication.public_url) + path)
    assert answer.status_code == 404
    assert "Nothing here" in answer.text
    assert answer.headers["access-control-allow-origin"] == "*"


def test_the_sums_are_those_of_the_files(copied):
    _, place, _ = copied
    subprocess.run(["sha256sum", "--quiet", "--strict", "-c", "SHA256SUMS"], cwd=place, check=True)
    named = len((place / "SHA256SUMS").read_text().splitlines())
    assert named == sum(1 for each in place.rglob("*") if each.is_file()) - 1


def test_permanent_addresses_are_sent_on_to_where_the_copy_is(copied):
    publication, place, _ = copied
    rule = place / "w3id.htaccess"
    assert rule.exists() is bool(publication.public_url)
    if publication.public_url:
        assert "RewriteRule ^(.*)$ https://gardens.example/a/b/$1 [R=302,NE,L]" in rule.read_text()


def test_a_folder_with_something_in_it_is_left_alone(tmp_path):
    (tmp_path / "mine").write_text("x")
    with pytest.raises(SourceError, match="not empty"):
        export(a_publication(), tmp_path)
    assert [each.name for each in tmp_path.iterdir()] == ["mine"]
    with pytest.raises(SourceError):
        export(a_publication(), tmp_path / "mine")


def test_the_same_publication_is_the_same_copy(tmp_path):
    for name in ("a", "b"):
        export(a_publication(), tmp_path / name)
    assert (tmp_path / "a" / "SHA256SUMS").read_bytes() == (tmp_path / "b" / "SHA256SUMS").read_bytes()


def test_the_command_writes_a_copy(run, tmp_path):
    (tmp_path / "a.ttl").write_text(
        "<https://w3id.org/cnrs-graph/id/country/can> "
        '<http://www.w3.org/2004/02/skos/core#prefLabel> "Canada"@en .'
    )
    code, _, said = run("export", tmp_path / "out", tmp_path / "a.ttl", "--no-validate")
    assert code == 0
    assert "files in" in said
    assert (tmp_path / "out" / FILES / "doc" / "country" / "can.html").is_file()
    assert (tmp_path / "out" / FILES / "data" / "country" / f"can.{TURTLE.extension}").is_file()
    assert run("export", tmp_path / "out", tmp_path / "a.ttl", "--no-validate")[0] == 3
