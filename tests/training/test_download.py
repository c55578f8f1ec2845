"""kws-data download, against a server on loopback that misbehaves in every way that servers do."""

from __future__ import annotations

import contextlib
import hashlib
import io
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from collections import namedtuple
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import synthetic_datasets
from helpers import one_line_refusal
from hypothesis import given, settings
from hypothesis import strategies as st

from kws_device import InputError
from kws_training.cli import data as data_command
from kws_training.data import download
from kws_training.data.datasets import DATASETS, Published
from kws_training.data.download import download as fetch
from kws_training.data.layouts import PUBLISHED, read_dataset

REAL = dict(DATASETS)
NAME = "speech-commands-v0.01"
"""The tests put an archive of their own in its place."""


@dataclass
class Server:
    """Serves one archive; every list gives the next requests their misbehaviour, then all is well."""

    content: bytes
    """The archive."""
    cuts: list[int] = field(default_factory=list)
    """Close the connection after so many bytes."""
    statuses: list[int] = field(default_factory=list)
    """Answer with this instead; 0: as usual."""
    ranges: bool = True
    """Go on from where a request asks to."""
    headers: dict[str, str | None] = field(default_factory=dict)
    """Said instead of the truth; None: left out."""
    asked: list[str | None] = field(default_factory=list)
    """The Range of every request so far."""
    sent: int = 0
    """Bytes of the archive so far, over all requests."""
    url: str = ""
    """Where it listens."""

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        wanted = handler.headers["Range"]
        self.asked.append(wanted)
        status = self.statuses.pop(0) if self.statuses else 0
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and self.ranges else 0
        body, size = (b"" if status else self.content[start:]), len(self.content)
        headers = {"Content-Type": "application/gzip", "Content-Length": str(len(body))}
        if start:
            headers["Content-Range"] = f"bytes {start}-{size - 1}/{size}"
        handler.send_response(status or (206 if start else 200))
        for name, value in (headers | self.headers).items():
            if value is not None:
                handler.send_header(name, value)
        handler.end_headers()
        if body and self.cuts:
            body = body[: self.cuts.pop(0)]
        self.sent += len(body)
        handler.wfile.write(body)


@contextlib.contextmanager
def serving(server: Server):
    """The server at work on loopback."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            server.answer(self)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        server.url = f"http://127.0.0.1:{listening.server_port}/archive.tar.gz"
        try:
            yield server
        finally:
            listening.shutdown()
            thread.join()


def archive(files: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return made.getvalue()


FILES = {"./yes/a_nohash_0.wav": np.random.default_rng(0).bytes(150_000), "./LICENSE": b"CC BY 4.0"}
ARCHIVE = archive(FILES)


def published(content: bytes, **changes: object) -> Published:
    """An entry of the registry for an archive that the tests serve."""
    values = {
        "url": "http://127.0.0.1:9/nobody.tar.gz",
        "checksum": f"sha256:{hashlib.sha256(content).hexdigest()}",
        "download_bytes": len(content),
        "unpacked_bytes": 200_000,
        "layout": "speech-commands",
    }
    return Published(**values | changes)


@pytest.fixture(autouse=True)
def registry(monkeypatch):
    """The tests' archive in the registry, and no waiting between tries."""
    monkeypatch.setitem(DATASETS, NAME, published(ARCHIVE))
    monkeypatch.setattr(download, "_WAITS_S", (0.0, 0.0, 0.0))


@pytest.fixture
def server():
    with serving(Server(ARCHIVE)) as started:
        yield started


def contents(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {f"./{path.relative_to(folder).as_posix()}": path.read_bytes() for path in files}


def around(dest: Path) -> set[str]:
    """All there is beside a dataset."""
    return {path.name for path in dest.parent.iterdir()} - {dest.name}


def refuse(server: Server, dest: Path, *words: str, left: dict[str, bytes] | None = None) -> None:
    """Assert a refusal with these words, after which there is only `left` beside `dest`."""
    with pytest.raises(InputError) as refusal:
        fetch(NAME, dest, server.url)
    for word in words:
        assert word in str(refusal.value)
    assert not dest.exists()
    assert {path.name: path.read_bytes() for path in dest.parent.iterdir()} == (left or {})


PART = f".{NAME}.part"


def test_a_dataset_is_fetched_and_recognised(monkeypatch, tmp_path, capsys):
    synthetic_datasets.speech_commands(tmp_path / "made" / "top")
    shutil.make_archive(str(tmp_path / "served"), "gztar", tmp_path / "made")
    content = (tmp_path / "served.tar.gz").read_bytes()
    with serving(Server(content)) as server:
        entry = published(content, url=server.url, unpacked_bytes=10_000_000, root="top")
        monkeypatch.setitem(DATASETS, NAME, entry)
        assert data_command.main(["download", NAME, str(tmp_path / "new" / "speech")]) == 0
    dataset = read_dataset(tmp_path / "new" / "speech")
    assert (dataset.layout, len(dataset.clips)) == ("speech-commands", 90)
    assert around(tmp_path / "new" / "speech") == set()
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("Speech Commands (P. Warden, 2018); CC BY 4.0")
    assert "is ready" in said.err


def test_non_commercial_is_said_before_anything_is_fetched(monkeypatch, server, tmp_path, capsys):
    monkeypatch.setitem(DATASETS, "urbansound8k", published(ARCHIVE, layout="urbansound8k"))
    server.statuses = [404]
    with pytest.raises(InputError):
        data_command.main(["download", "urbansound8k", str(tmp_path / "us8k"), "--mirror", server.url])
    assert "J. Salamon" in (said := capsys.readouterr().err)
    assert "not for commercial use" in said


def test_the_archive_is_kept_where_it_is_asked_for(server, tmp_path):
    fetch(NAME, tmp_path / "speech", server.url, keep_archive=True)
    assert contents(tmp_path / "speech") == FILES
    assert (tmp_path / f"{NAME}.tar.gz").read_bytes() == ARCHIVE
    assert around(tmp_path / "speech") == {f"{NAME}.tar.gz"}


def test_an_empty_folder_is_filled(server, tmp_path):
    (tmp_path / "speech").mkdir()
    fetch(NAME, tmp_path / "speech", server.url)
    assert contents(tmp_path / "speech") == FILES


def test_a_cut_connection_is_taken_up_where_it_was_cut(server, tmp_path):
    server.cuts = [50_000, 30_000]
    fetch(NAME, tmp_path / "speech", server.url)
    assert contents(tmp_path / "speech") == FILES
    assert server.asked == [None, "bytes=50000-", "bytes=80000-"]
    assert server.sent == len(ARCHIVE)


@settings(max_examples=25, deadline=None)
@given(cuts=st.lists(st.integers(0, len(ARCHIVE)), max_size=6), ranges=st.booleans())
def test_the_same_comes_wherever_and_however_often_it_is_cut(cuts, ranges):
    # Three new tries that bring nothing new are the last, as the next test shows.
    cuts = [cut for cut in cuts if cut] if ranges else cuts[:3]
    with tempfile.TemporaryDirectory() as folder, serving(Server(ARCHIVE, cuts, ranges=ranges)) as server:
        fetch(NAME, Path(folder) / "speech", server.url)
        assert contents(Path(folder) / "speech") == FILES
        assert around(Path(folder) / "speech") == set()
        assert not ranges or server.sent == len(ARCHIVE)


def test_a_connection_that_is_cut_for_good_is_taken_up_by_the_next_call(server, tmp_path):
    server.cuts = [70_000, 0, 0, 0]
    refuse(server, tmp_path / "speech", "run the same command again", left={PART: ARCHIVE[:70_000]})
    assert len(server.asked) == 4
    server.cuts = []
    fetch(NAME, tmp_path / "speech", server.url)
    assert contents(tmp_path / "speech") == FILES
    assert server.asked[4:] == ["bytes=70000-"]
    assert server.sent == len(ARCHIVE)


def test_a_server_that_cannot_resume_starts_over(server, tmp_path):
    server.cuts, server.ranges = [50_000], False
    fetch(NAME, tmp_path / "speech", server.url)
    assert contents(tmp_path / "speech") == FILES
    assert server.sent == 50_000 + len(ARCHIVE)


@pytest.mark.parametrize("said", ["bytes 0-9/10", "bytes 49999-150000/150001", None])
def test_a_server_that_resumes_elsewhere_starts_over(said, server, tmp_path):
    server.cuts, server.headers = [50_000], {"Content-Range": said}
    fetch(NAME, tmp_path / "speech", server.url)
    assert contents(tmp_path / "speech") == FILES
    assert server.asked == [None, "bytes=50000-", None]


def test_a_server_that_refuses_to_resume_starts_over(server, tmp_path):
    server.cuts, server.statuses = [50_000], [0, 416]
    fetch(NAME, tmp_path / "speech", server.url)
    assert contents(tmp_path / "speech") == FILES
    assert server.asked == [None, "bytes=50000-", None]


def test_a_server_that_is_busy_is_asked_again(server, tmp_path):
    server.statuses = [500, 503]
    fetch(NAME, tmp_path / "speech", server.url)
    assert contents(tmp_path / "speech") == FILES
    server.statuses = [503] * 4
    refuse(server, tmp_path / "again" / "speech", "503", "run the same command again")


def test_a_length_that_nobody_tells_is_fine(server, tmp_path):
    server.headers = {"Content-Length": None}
    fetch(NAME, tmp_path / "speech", server.url)
    assert contents(tmp_path / "speech") == FILES


def test_a_missing_file_is_refused_at_once(server, tmp_path):
    server.statuses = [404]
    refuse(server, tmp_path / "speech", server.url, "404", "--mirror")
    assert len(server.asked) == 1


def test_another_file_is_refused_before_it_is_fetched(tmp_path):
    with serving(Server(b"something else")) as server:
        refuse(server, tmp_path / "speech", server.url, "14 bytes", str(len(ARCHIVE)))
    page = Server(
        b"<html>Please log in</html>", headers={"Content-Type": "text/html", "Content-Length": None}
    )
    with serving(page) as server:
        refuse(server, tmp_path / "speech", "text/html")


def test_another_file_does_not_cost_what_is_already_here(server, tmp_path):
    part = {PART: ARCHIVE[:70_000]}
    (tmp_path / PART).write_bytes(part[PART])
    with serving(Server(b"<html>Please log in</html>")) as other:
        refuse(other, tmp_path / "speech", "26 bytes", left=part)
    fetch(NAME, tmp_path / "speech", server.url)
    assert server.sent == len(ARCHIVE) - 70_000


def test_wrong_bytes_are_refused_and_deleted(tmp_path):
    with serving(Server(ARCHIVE[:-1] + b"x")) as server:
        refuse(server, tmp_path / "speech", "sha256", hashlib.sha256(ARCHIVE).hexdigest())


def test_a_wrong_beginning_is_refused_and_deleted(server, tmp_path):
    (tmp_path / PART).write_bytes(bytes(70_000))
    refuse(server, tmp_path / "speech", "run the same command again")
    fetch(NAME, tmp_path / "speech", server.url)
    assert contents(tmp_path / "speech") == FILES


def test_a_hostile_archive_is_refused_and_deleted(monkeypatch, tmp_path):
    for files, word in (({"../x": b""}, "'../x' leads outside"), ({"x": bytes(10_000_000)}, "'x'")):
        hostile = archive(files)
        monkeypatch.setitem(DATASETS, NAME, published(hostile))
        with serving(Server(hostile)) as server:
            refuse(server, tmp_path / "speech", word)


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/a", "data:,x", "/archive.tar.gz"])
def test_redirects_lead_only_to_http_and_not_in_circles(target, server, tmp_path):
    server.statuses, server.headers = [302] * 20, {"Location": target}
    refuse(server, tmp_path / "speech", server.url, "302")


def test_a_redirect_to_http_is_followed_and_still_resumes(server, tmp_path):
    server.cuts, server.statuses, server.headers = [50_000], [302, 0, 302], {"Location": "/elsewhere"}
    fetch(NAME, tmp_path / "speech", server.url)
    assert contents(tmp_path / "speech") == FILES
    assert server.asked == [None, None, "bytes=50000-", "bytes=50000-"]


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://host/a", "a.tar.gz", "http://", "http://[", "http://h/a b"]
)
def test_an_address_that_is_none_is_refused(url, tmp_path):
    refuse(Server(b"", url=url), tmp_path / "speech", url)


def test_nobody_listening_is_refused_after_some_tries(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        refuse(
            Server(b"", url=f"http://127.0.0.1:{taken.getsockname()[1]}/a"), tmp_path / "speech", "refused"
        )


def test_a_silent_server_is_not_waited_for_forever(monkeypatch, tmp_path):
    monkeypatch.setattr(download, "_TIMEOUT_S", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/a"
        refuse(Server(b"", url=url), tmp_path / "speech", "timed out", "run the same command again")


def test_a_folder_that_holds_something_is_left_alone(server, tmp_path):
    for dest in (tmp_path / "taken", tmp_path / "taken" / "file"):
        (tmp_path / "taken").mkdir(exist_ok=True)
        (tmp_path / "taken" / "file").write_text("mine")
        with pytest.raises(InputError, match="is there already"):
            fetch(NAME, dest, server.url)
    assert contents(tmp_path) == {"./taken/file": b"mine"}
    assert server.asked == []


def test_too_little_room_is_told_before_anything_is_fetched(monkeypatch, server, tmp_path):
    needed = len(ARCHIVE) + DATASETS[NAME].unpacked_bytes
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(needed - 1))
    refuse(server, tmp_path / "speech", "0.0 GB needed", "0.0 GB free")
    assert server.asked == []
    (tmp_path / PART).write_bytes(ARCHIVE[:70_000])
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(needed - 70_000))
    fetch(NAME, tmp_path / "speech", server.url)


@contextlib.contextmanager
def full_disk(most_bytes: int):
    """No file may grow beyond so many bytes, as on a disk that is full by then."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_fills_up_while_fetching_costs_nothing_that_is_here(server, tmp_path):
    with full_disk(100_000):
        refuse(server, tmp_path / "speech", "File too large", "make room", left={PART: ARCHIVE[:100_000]})
    fetch(NAME, tmp_path / "speech", server.url)
    assert contents(tmp_path / "speech") == FILES
    assert server.asked == [None, "bytes=100000-"]


def test_a_disk_that_fills_up_while_unpacking_does_not_cost_the_archive(monkeypatch, tmp_path):
    small = archive({"./zeros": bytes(190_000)})
    monkeypatch.setitem(DATASETS, NAME, published(small))
    with serving(Server(small)) as server:
        with full_disk(100_000):
            refuse(server, tmp_path / "speech", "File too large", "make room", left={PART: small})
        fetch(NAME, tmp_path / "speech", server.url)
        assert len(server.asked) == 1
    assert contents(tmp_path / "speech") == {"./zeros": bytes(190_000)}


def test_what_a_killed_run_left_is_cleared_away(server, tmp_path):
    (tmp_path / ".speech.unpacking" / "yes").mkdir(parents=True)
    (tmp_path / ".speech.unpacking" / "half.wav").write_bytes(b"half")
    fetch(NAME, tmp_path / "speech", server.url)
    assert contents(tmp_path / "speech") == FILES
    assert around(tmp_path / "speech") == set()


def test_ctrl_c_leaves_what_has_come_and_nothing_else(monkeypatch, tmp_path):
    size = 182_082_353  # of the real archive; only its beginning ever comes
    let_go = threading.Event()

    class Slow(Server):
        def answer(self, handler):
            super().answer(handler)
            let_go.wait(20)

    with serving(Slow(b"x" * 100_000, headers={"Content-Length": str(size)})) as server:
        command = Path(sys.executable).with_name("kws-data")
        running = subprocess.Popen(
            [command, "download", "speech-commands-mini", tmp_path / "mini", "--mirror", server.url],
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        part = tmp_path / ".speech-commands-mini.part"
        while running.poll() is None and not (part.exists() and part.stat().st_size):
            time.sleep(0.01)
        running.send_signal(signal.SIGINT)
        _, said = running.communicate()
        let_go.set()
    assert running.returncode == 130, said
    assert "Traceback" not in said
    assert [path.name for path in tmp_path.iterdir()] == [part.name]
    assert set(part.read_bytes()) == {ord("x")}


def test_bad_use_is_one_line(command, tmp_path):
    one_line_refusal(command("kws-data", "download", "esc51", tmp_path / "out"), "esc51", "esc50")
    one_line_refusal(command("kws-data", "download", "esc50"), "DEST")
    (tmp_path / "file").write_text("mine")
    result = command("kws-data", "download", "esc50", tmp_path / "file")
    assert result.returncode == 2
    licence, refusal = result.stderr.splitlines()
    assert "K. J. Piczak" in licence
    assert refusal == f"error: {tmp_path / 'file'}: is there already; remove it or choose another folder"


@pytest.mark.parametrize("entry", REAL.values(), ids=REAL)
def test_every_dataset_has_a_checksum_a_licence_and_an_address(entry):
    algorithm, digits = entry.checksum.split(":")
    assert len(bytes.fromhex(digits)) == hashlib.new(algorithm).digest_size
    assert "CC BY" in PUBLISHED[entry.layout]
    assert entry.url.startswith("https://")
    assert entry.unpacked_bytes > entry.download_bytes
