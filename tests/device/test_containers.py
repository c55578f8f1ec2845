"""Model and manifest as one file, and back, whatever happens to the file on its way."""

from __future__ import annotations

import io
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kws_device.model import containers


def field(number, value):
    """A field of bytes, or a number, of a protocol buffer message."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def varint(value):
    parts = []
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])


def onnx_model(graph=b"graph", metadata=b""):
    """A message with the fields of onnx.ModelProto: version, producer, number, graph, opset, metadata."""
    message = field(1, 8) + field(2, b"somebody") + field(5, 7) + field(7, graph) + field(8, b"\x10\x11")
    return message + (field(14, metadata) if metadata else b"")


TFLITE = b"\x1c\0\0\0TFL3" + bytes(range(256)) * 4
OTHER_METADATA = field(1, b"labels") + field(2, b"[]")
MODELS = {"tflite": TFLITE, "onnx": onnx_model(), "onnx with metadata": onnx_model(metadata=OTHER_METADATA)}
models = pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)


@models
@given(manifest=st.binary(max_size=70_000))
def test_what_is_joined_is_split_again(model, manifest):
    joined = containers.join(model, manifest)
    assert joined == containers.join(model, manifest)
    assert joined.startswith(model)
    assert containers.kind(joined) == containers.kind(model)
    assert containers.split(joined) == containers.Parts(model, manifest)


@given(manifest=st.binary(max_size=1000), graph=st.binary(max_size=70_000))
def test_a_verifier_is_split_from_an_onnx_file_as_it_was_joined(manifest, graph):
    model, verifier = onnx_model(metadata=OTHER_METADATA), onnx_model(graph)
    joined = containers.join(model, manifest, verifier)
    assert containers.split(joined) == containers.Parts(model, manifest, verifier)
    # It costs its own bytes, and a few for its field.
    assert len(joined) - len(containers.join(model, manifest)) <= len(verifier) + 6


@given(graph=st.binary(max_size=40_000), version=st.integers(0, 2**63), cut=st.floats(0, 1))
def test_an_onnx_file_cut_anywhere_has_no_manifest(graph, version, cut):
    model = field(1, version) + field(7, graph)
    joined = containers.join(model, b"{}")
    with pytest.raises(ValueError, match=r"manifest|cut short|neither"):
        containers.split(joined[: int(cut * (len(joined) - 1))])


@models
def test_a_model_alone_has_no_manifest(model):
    with pytest.raises(ValueError, match=r"no (manifest|archive)"):
        containers.split(model)


@given(st.binary(max_size=2000))
def test_any_bytes_are_split_or_refused(content):
    for damaged in (content, b"\x08" + content, TFLITE[:8] + content):
        try:
            parts = containers.split(damaged)
        except ValueError:
            continue
        assert containers.split(containers.join(*parts)) == parts


@pytest.mark.parametrize("content", [b"", b"hello, no model", b"PK\3\4" + bytes(40)])
def test_what_is_no_model_is_neither(content):
    assert containers.kind(content) is None
    for act in (containers.split, lambda c: containers.join(c, b"{}")):
        with pytest.raises(ValueError, match="neither"):
            act(content)


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_compressed_entries_are_refused_without_being_unpacked(method):
    buffer = io.BytesIO()
    buffer.write(TFLITE)
    with zipfile.ZipFile(buffer, "a", method) as archive:
        archive.writestr("kws-manifest.json", bytes(1000))
    with pytest.raises(ValueError, match="compressed"):
        containers.split(buffer.getvalue())


def test_an_archive_of_many_entries_is_refused_unread():
    buffer = io.BytesIO()
    buffer.write(TFLITE)
    with zipfile.ZipFile(buffer, "a") as archive:
        for number in range(1000):
            archive.writestr(f"{number}", b"")
        archive.writestr("kws-manifest.json", b"{}")
    with pytest.raises(ValueError, match="more than 8 entries"):
        containers.split(buffer.getvalue())


JOINED = {name: containers.join(model, b'{"schema": 3}' * 20) for name, model in MODELS.items()} | {
    "with a verifier": containers.join(onnx_model(), b'{"schema": 4}' * 20, onnx_model(b"second"))
}


@pytest.mark.parametrize("joined", JOINED.values(), ids=JOINED)
@given(data=st.data())
def test_a_file_with_other_bytes_anywhere_is_split_or_refused(joined, data):
    content = bytearray(joined)
    for _ in range(data.draw(st.integers(1, 4))):
        # The archive and the metadata are at the end.
        at = len(content) - 1 - data.draw(st.integers(0, min(len(content) - 1, 600)))
        content[at] = data.draw(st.integers(0, 255))
    try:
        containers.split(bytes(content))
    except ValueError:
        return


def test_an_onnx_file_of_countless_fields_is_refused():
    with pytest.raises(ValueError, match="more than 1000 fields"):
        containers.split(onnx_model() + field(2, b"") * 2000)
