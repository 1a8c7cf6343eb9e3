"""The whole dataset as files: what was written, the same bytes each time, in bounded memory."""

import gzip
import hashlib
import subprocess
import sys
from pathlib import Path

import pyoxigraph as ox
import pytest
from garden import BASE, a_publication, iri, said

from cnrs_graph import dumps
from cnrs_graph.dumps import FILES, SUMS, read_dumps, temporary_dumps, write_dumps
from cnrs_graph.site import reply, site_of

ENGINE = {
    "dataset.nq": ox.RdfFormat.N_QUADS,
    "dataset.trig": ox.RdfFormat.TRIG,
    "accepted.ttl": ox.RdfFormat.TURTLE,
}


def accepted(graph):
    return "/graph/claims/" not in graph


def written(folder, quads=None):
    return write_dumps(folder, said().quads if quads is None else quads, base=BASE, is_accepted=accepted)


def canonical(quads):
    dataset = ox.Dataset(quads)
    dataset.canonicalize(ox.CanonicalizationAlgorithm.RDFC_1_0)
    return {str(quad) for quad in dataset}


def merged(quads):
    return canonical(ox.Quad(*quad.triple) for quad in quads if accepted(quad.graph_name.value))


def read(folder, name):
    return list(ox.parse(path=folder / name, format=ENGINE[name]))


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "dumps"
    written(place)
    return place


@pytest.mark.parametrize("name", ["dataset.nq", "dataset.trig"])
def test_a_whole_file_holds_what_was_said_in_its_graphs(folder, name):
    assert canonical(read(folder, name)) == canonical(said().quads)


def test_the_file_without_graphs_holds_no_claims(folder):
    found = canonical(read(folder, "accepted.ttl"))
    assert found == merged(said().quads)
    assert len(found) < len(canonical(said().quads))


@pytest.mark.parametrize("name", FILES)
def test_spellings_are_kept(folder, name):
    literals = {str(quad.object) for quad in read(folder, name)}
    assert '"007"^^<http://www.w3.org/2001/XMLSchema#integer>' in literals
    assert any('"line\\nfeed\\r\\"quoted\\"' in text for text in literals)


@pytest.mark.parametrize("name", FILES)
def test_a_packed_file_is_the_same_and_tells_no_time(folder, name):
    packed = (folder / f"{name}.gz").read_bytes()
    assert gzip.decompress(packed) == (folder / name).read_bytes()
    flags, time = packed[3], packed[4:8]
    assert (flags, time) == (0, bytes(4))


def test_the_same_files_give_the_same_bytes(folder, tmp_path):
    program = (
        "import sys; from pathlib import Path; from test_dumps import written; written(Path(sys.argv[1]))"
    )
    # In a process of its own: an order that hangs on a hash would differ.
    subprocess.run([sys.executable, "-c", program, tmp_path / "again"], check=True, cwd=Path(__file__).parent)
    for name in (*FILES, *(f"{name}.gz" for name in FILES), SUMS):
        assert (folder / name).read_bytes() == (tmp_path / "again" / name).read_bytes(), name


def test_the_order_of_ground_statements_does_not_matter(tmp_path):
    ground = [quad for quad in said().quads if not isinstance(quad.object, ox.BlankNode)]
    ground = [quad for quad in ground if not isinstance(quad.subject, ox.BlankNode)]
    assert len(ground) > 50
    sums = {each.sha256 for each in written(tmp_path / "a", ground)}
    assert {each.sha256 for each in written(tmp_path / "b", [*reversed(ground), *ground])} == sums


def test_lines_are_sorted_and_stand_once(folder):
    lines = (folder / "dataset.nq").read_bytes().splitlines()
    assert lines == sorted(set(lines))
    assert len(lines) == len(set(said().quads))


def test_pieces_that_do_not_fit_into_memory_are_merged(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(dumps, "_SORTED_BYTES", 1000)
    written(tmp_path / "small")
    assert (tmp_path / "small" / SUMS).read_bytes() == (folder / SUMS).read_bytes()
    assert sorted(path.name for path in (tmp_path / "small").iterdir()) == sorted(
        path.name for path in folder.iterdir()
    )


def test_memory_does_not_grow_with_the_data(tmp_path):
    program = f"""
import resource, sys
from pathlib import Path
import pyoxigraph as ox
from cnrs_graph import dumps
dumps._SORTED_BYTES = 1 << 20
p, g = ox.NamedNode("{BASE}p"), ox.NamedNode("{BASE}graph/curated/all")
count = int(sys.argv[2])
quads = (ox.Quad(ox.NamedNode(f"{BASE}id/thing/{{n * 7919 % count}}"), p, ox.Literal("x" * 300 + str(n)), g)
         for n in range(count))
dumps.write_dumps(Path(sys.argv[1]), quads, base="{BASE}", is_accepted=lambda _: True)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""

    def peak_kib(count):
        asked = [sys.executable, "-c", program, tmp_path / str(count), str(count)]
        return int(subprocess.run(asked, check=True, capture_output=True, text=True).stdout)

    grown_kib = peak_kib(100_000) - peak_kib(10_000)
    assert (tmp_path / "100000" / "dataset.nq").stat().st_size > 40_000_000
    assert grown_kib < 15_000, f"{grown_kib >> 10} MB more for 36 MB more"


def test_what_is_left_in_a_folder_is_found_again(folder):
    found = read_dumps(folder)
    assert [each.name for each in found][:2] == ["dataset.nq.gz", "dataset.nq"]
    assert {each.name for each in found} == {*FILES, *(f"{name}.gz" for name in FILES)}
    for each in found:
        content = each.path.read_bytes()
        assert (each.size, each.sha256) == (len(content), hashlib.sha256(content).hexdigest())


def test_no_folder_holds_no_files(tmp_path):
    assert read_dumps(tmp_path / "nothing") == ()


def test_files_made_for_a_while_go_with_who_asked_for_them():
    class Keeper:
        pass

    keeper = Keeper()
    made = temporary_dumps(keeper, said().quads, base=BASE, is_accepted=accepted)
    place = made[0].path
    assert place.is_file()
    del keeper
    assert not place.exists()


def test_the_checksums_are_those_that_sha256sum_finds(folder):
    done = subprocess.run(
        ["sha256sum", "--check", SUMS], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    assert done.stdout.count(": OK") == 6


# --------------------------------------------------------------------------------------------- on the site


@pytest.fixture(scope="module")
def garden():
    return a_publication()


def test_each_file_is_answered_with_its_type_and_its_name(garden):
    types = {
        "dataset.nq": "application/n-quads",
        "dataset.trig": "application/trig",
        "accepted.ttl": "text/turtle; charset=utf-8",
        SUMS: "text/plain; charset=utf-8",
    }
    for name, content_type in types.items():
        answer = reply(garden, f"/dump/{name}", accept="text/html")
        assert (answer.status, answer.header("Content-Type")) == (200, content_type)
        assert answer.header("Content-Disposition") == f'attachment; filename="{name}"'
    packed = reply(garden, "/dump/dataset.nq.gz")
    assert packed.header("Content-Type") == "application/gzip"
    assert packed.header("Content-Encoding") is None
    assert gzip.decompress(packed.body) == reply(garden, "/dump/dataset.nq").body


def test_a_file_that_is_known_already_is_not_sent_again(garden):
    answer = reply(garden, "/dump/dataset.nq.gz")
    again = reply(garden, "/dump/dataset.nq.gz", if_none_match=answer.header("ETag"))
    assert (again.status, again.body) == (304, b"")
    assert again.header("ETag") == answer.header("ETag") != reply(garden, "/dump/dataset.nq").header("ETag")


@pytest.mark.parametrize("path", ["/dump/", "/dump", "/dump/dataset.csv", "/dump/../site", "/dump/%2e%2e/x"])
def test_no_other_file_is_answered(garden, path):
    assert reply(garden, path).status == 404


def test_what_was_inferred_is_in_no_file(garden):
    inferred = iri("graph/inferred").encode()
    assert inferred not in reply(garden, "/dump/dataset.nq").body
    assert inferred in reply(garden, "/graph/inferred.nq").body


def test_the_page_lists_the_files_with_sizes_and_checksums(garden):
    page = reply(garden, "/dataset", accept="text/html").body.decode()
    made = site_of(garden).documents.dumps
    assert len(made) == 6
    for dump in made:
        assert f'href="/dump/{dump.name}"' in page
        assert dump.sha256 in page


def test_a_part_of_a_file_can_be_fetched(client):
    whole = client.get("/dump/dataset.nq.gz")
    assert whole.status_code == 200
    assert whole.headers["accept-ranges"] == "bytes"
    assert gzip.decompress(whole.content).count(b"\n") > 10_000
    part = client.get("/dump/dataset.nq.gz", headers={"Range": "bytes=100-199"})
    assert (part.status_code, part.content) == (206, whole.content[100:200])
    assert part.headers["content-range"] == f"bytes 100-199/{len(whole.content)}"
    tag = whole.headers["etag"]
    rest = client.get("/dump/dataset.nq.gz", headers={"Range": "bytes=200-", "If-Range": tag})
    assert rest.content == whole.content[200:]
    changed = client.get("/dump/dataset.nq.gz", headers={"Range": "bytes=200-", "If-Range": '"another"'})
    assert (changed.status_code, changed.content) == (200, whole.content)
    assert client.get("/dump/dataset.nq.gz", headers={"Range": "bytes=999999999-"}).status_code == 416
    assert client.get("/dump/dataset.nq.gz", headers={"If-None-Match": tag}).status_code == 304


def test_the_head_of_a_file_is_that_of_the_file(client):
    got, head = client.get("/dump/dataset.trig"), client.head("/dump/dataset.trig")
    assert head.content == b""
    for name in (
        "content-type",
        "content-length",
        "etag",
        "content-disposition",
        "access-control-allow-origin",
    ):
        assert head.headers[name] == got.headers[name]
    assert client.get("/dump/nothing").status_code == 404


def test_the_server_sends_what_the_site_answers(client, publication):
    for name in ("dataset.nq", "accepted.ttl.gz", SUMS):
        assert client.get(f"/dump/{name}").content == reply(publication, f"/dump/{name}").body
