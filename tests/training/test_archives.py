"""Archives are unpacked whole, or refused by name with nothing left of them."""

from __future__ import annotations

import gzip
import io
import stat
import tarfile
import tempfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kws_device import InputError
from kws_training.data.archives import unpack

FILES = {"words/yes/a.wav": b"yes" * 1000, "words/no/b.wav": b"no" * 700, "words/README.md": b""}
"""What a good archive holds, by name."""


def tar(path: Path, *members: tarfile.TarInfo, files: dict[str, bytes] = FILES) -> Path:
    """Good files, then the given members."""
    with tarfile.open(path, "w:gz") as made:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(content), 0o6777
            made.addfile(info, io.BytesIO(content))
        for info in members:
            made.addfile(info, io.BytesIO(bytes(info.size)))
    return path


def odd(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    """A tar member of a given kind."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def zipped(path: Path, *members: zipfile.ZipInfo, files: dict[str, bytes] = FILES) -> Path:
    """Good files, then the given empty members."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in files.items():
            made.writestr(name, content)
        for info in members:
            made.writestr(info, b"")
    return path


def contents(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def refuse(archive: Path, *words: str, most_bytes: int = 10_000) -> None:
    """Assert that unpacking names the archive and each word, and leaves nothing behind."""
    before = contents(archive.parent)
    with pytest.raises(InputError) as refusal:
        unpack(archive, archive.parent / "out", most_bytes)
    for word in (archive.name, *words):
        assert word in str(refusal.value)
    assert contents(archive.parent) == before
    assert not (archive.parent / "out").exists()


@pytest.mark.parametrize("make", [tar, zipped])
def test_a_good_archive_is_unpacked_byte_for_byte(make, tmp_path):
    unpack(make(tmp_path / "archive"), tmp_path / "out", sum(map(len, FILES.values())))
    assert contents(tmp_path / "out") == FILES


def test_names_that_begin_at_the_archives_own_top_are_fine(tmp_path):
    files = {f"./{name}": content for name, content in FILES.items()}
    top = odd(".", tarfile.DIRTYPE)
    unpack(tar(tmp_path / "top.tar.gz", top, files=files), tmp_path / "out", 10_000)
    assert contents(tmp_path / "out") == FILES


def test_modes_of_the_archive_count_for_nothing(tmp_path):
    unpack(tar(tmp_path / "modes.tar.gz"), tmp_path / "out", 10_000)
    (tmp_path / "plain").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    ours = {(tmp_path / name).stat().st_mode for name in ("plain", "folder")}
    assert {path.stat().st_mode for path in (tmp_path / "out").rglob("*")} == ours
    assert not any(mode & stat.S_ISUID for mode in ours)


@pytest.mark.parametrize(
    "name", ["../out.wav", "words/../../out.wav", "/tmp/out.wav", "C:\\out.wav", "..\\a"]
)
def test_a_member_that_leads_outside_is_refused(name, tmp_path):
    refuse(tar(tmp_path / "outside.tar.gz", odd(name)), repr(name), "leads outside")
    refuse(zipped(tmp_path / "outside.zip", zipfile.ZipInfo(name)), repr(name), "leads outside")


def test_a_name_that_no_file_can_have_is_refused(tmp_path):
    info = odd("replaced")
    info.pax_headers = {"path": "a\0b"}
    refuse(tar(tmp_path / "zero.tar.gz", info), repr("a\0b"))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
@pytest.mark.parametrize("target", ["/etc/passwd", "words/README.md"])
def test_links_and_devices_are_refused(kind, target, tmp_path):
    refuse(tar(tmp_path / "links.tar.gz", odd("here", kind, target)), "'here' is a link or device")


def test_a_link_in_a_zip_is_refused(tmp_path):
    info = zipfile.ZipInfo("here")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    refuse(zipped(tmp_path / "links.zip", info), "'here' is a link or device")


def test_an_encrypted_zip_is_refused(tmp_path):
    path = zipped(tmp_path / "secret.zip", files={"a.wav": b"a"})
    content = bytearray(path.read_bytes())
    content[6] |= 1  # the flags in the file's header
    content[content.index(b"PK\x01\x02") + 8] |= 1  # and in the directory
    path.write_bytes(content)
    refuse(path, "'a.wav' is encrypted")


@pytest.mark.parametrize("make", [tar, zipped])
def test_an_archive_that_unpacks_to_more_than_it_may_is_refused(make, tmp_path):
    bomb = make(tmp_path / "bomb", files={"small": b"x", "large": bytes(10_000_000)})
    assert bomb.stat().st_size < 20_000
    refuse(bomb, "'large'", "more than it should", most_bytes=9_999_999)
    refuse(make(tmp_path / "many", files={str(i): bytes(100) for i in range(11)}), "'10'", most_bytes=1000)


@pytest.mark.parametrize("make", [tar, zipped])
def test_an_archive_of_more_members_than_allowed_is_refused(make, tmp_path):
    many = make(tmp_path / "many", files={f"{i}": b"" for i in range(21)})
    with pytest.raises(InputError, match="many: has more than 20 files and folders; nothing was unpacked"):
        unpack(many, tmp_path / "out", 1000, most_members=20)
    assert not (tmp_path / "out").exists()
    unpack(many, tmp_path / "out", 1000, most_members=21)
    assert len(contents(tmp_path / "out")) == 21


def test_a_header_that_asks_for_all_memory_is_refused(tmp_path):
    """The extended header of a member is read whole: its size may be any."""
    info = tarfile.TarInfo("name")
    info.type, info.size = tarfile.XHDTYPE, 60_000_000
    with gzip.open(tmp_path / "bomb", "wb") as file:
        file.write(info.tobuf(tarfile.PAX_FORMAT))
        for _ in range(60):
            file.write(bytes(1_000_000))
    with pytest.raises(InputError, match="more than it should"):
        unpack(tmp_path / "bomb", tmp_path / "out", 1000, most_members=20)


def test_what_is_no_archive_is_refused(tmp_path):
    (tmp_path / "page").write_text("<html>Please log in</html>")
    refuse(tmp_path / "page", "neither .tar.gz nor .zip")


@pytest.mark.parametrize("make", [tar, zipped])
def test_a_name_that_is_both_file_and_folder_is_refused(make, tmp_path):
    refuse(make(tmp_path / "both", files={"a": b"1", "a/b": b"2"}), "damaged")


@pytest.mark.parametrize("make", [tar, zipped])
def test_an_archive_cut_anywhere_is_refused(make, tmp_path):
    whole = make(tmp_path / "whole").read_bytes()
    for length in range(0, len(whole), 7):
        (tmp_path / "cut").write_bytes(whole[:length])
        refuse(tmp_path / "cut")


@pytest.mark.parametrize("make", [tar, zipped])
@given(data=st.data())
def test_damage_is_refused_or_does_no_harm(make, data):
    with tempfile.TemporaryDirectory() as folder:
        path = make(Path(folder) / "archive")
        content = bytearray(path.read_bytes())
        for _ in range(data.draw(st.integers(1, 4))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
        path.write_bytes(content)
        try:
            unpack(path, Path(folder) / "out", 10_000)
        except InputError:
            assert not (Path(folder) / "out").exists()
        assert {entry.name for entry in Path(folder).iterdir()} <= {"archive", "out"}
