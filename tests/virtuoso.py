"""Virtuoso 7 (Debian's `virtuoso-opensource-7-bin`) as an endpoint of its own: started, loaded, stopped."""

import contextlib
import shutil
import socket
import subprocess
import time
from urllib.parse import quote

import httpx

INSTALLED = shutil.which("virtuoso-t") is not None and shutil.which("isql-vt") is not None
LIMIT_SECONDS = 60
SETTINGS = """\
[Database]
DatabaseFile = {folder}/v.db
ErrorLogFile = {folder}/v.log
LockFile = {folder}/v.lck
TransactionFile = {folder}/v.trx
xa_persistent_file = {folder}/v.pxa
[TempDatabase]
DatabaseFile = {folder}/t.db
TransactionFile = {folder}/t.trx
[Parameters]
ServerPort = 127.0.0.1:{port}
DirsAllowed = {folder}
NumberOfBuffers = 20000
MaxSortedTopRows = 1000000
[HTTPServer]
ServerPort = 127.0.0.1:{web_port}
[SPARQL]
"""
#: What a new one holds of its own, which is nothing to publish.
OWN_GRAPHS = (
    "http://localuriqaserver/sparql",
    "http://www.openlinksw.com/schemas/virtrdf#",
    "http://www.w3.org/2002/07/owl#",
    "http://www.w3.org/ns/ldp#",
    "urn:activitystreams-owl:map",
)
PRIVATE = "http://www.openlinksw.com/schemas/virtrdf#PrivateGraphs"


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


class Virtuoso:
    """What a publication holds, each graph by its name, the accepted ones together as a group."""

    def __init__(self, publication, folder):
        self.folder, self.port, self.web_port = folder, free_port(), free_port()
        self.group = f"{publication.base}graph/all"
        self.url = f"http://127.0.0.1:{self.web_port}/sparql?default-graph-uri={quote(self.group, safe='')}"
        self.publication = publication

    def __enter__(self):
        settings = SETTINGS.format(folder=self.folder, port=self.port, web_port=self.web_port)
        (self.folder / "virtuoso.ini").write_text(settings)
        (self.folder / "all.nq").write_bytes(self.publication.nquads())
        self.process = subprocess.Popen(
            ["virtuoso-t", "+foreground", "+configfile", self.folder / "virtuoso.ini"],
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            self._wait()
            self._tell(f"TTLP(file_to_string_output('{self.folder}/all.nq'), '', 'urn:none', 512)")
            self._tell(f"RDF_GRAPH_GROUP_CREATE('{self.group}', 1)")
            self._tell(f"RDF_GRAPH_GROUP_CREATE('{PRIVATE}', 1)")
            for graph in self.publication.default_graphs():
                self._tell(f"RDF_GRAPH_GROUP_INS('{self.group}', '{graph}')")
            for graph in OWN_GRAPHS:
                self._tell(f"RDF_GRAPH_GROUP_INS('{PRIVATE}', '{graph}')")
            self._tell("RDF_DEFAULT_USER_PERMS_SET('nobody', 0, 1)")
            self._tell("RDF_DEFAULT_USER_PERMS_SET('nobody', 9, 0)")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(LIMIT_SECONDS)

    def _wait(self):
        deadline = time.monotonic() + LIMIT_SECONDS
        while True:
            assert time.monotonic() < deadline, (self.folder / "v.log").read_text()
            with contextlib.suppress(httpx.TransportError):
                httpx.get(f"http://127.0.0.1:{self.web_port}/sparql?query=ASK%7B%7D", timeout=2)
                return
            time.sleep(0.2)

    def _tell(self, call):
        """Call one of its procedures."""
        done = subprocess.run(
            ["isql-vt", f"127.0.0.1:{self.port}", "dba", "dba", f"exec=DB.DBA.{call};"],
            capture_output=True,
            text=True,
            check=True,
            timeout=LIMIT_SECONDS,
        )
        assert "Error" not in done.stdout + done.stderr, done.stdout + done.stderr
