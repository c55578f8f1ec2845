"""Model and manifest as one file, and back, whatever happens to the file on its way."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kws_device import containers


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
    assert containers.split(joined) == (model, manifest, None)


@given(graph=st.binary(max_size=40_000), version=st.integers(0, 2**63), cut=st.floats(0, 1))
def test_an_onnx_file_cut_anywhere_has_no_manifest(graph, version, cut):
    model = field(1, version) + field(7, graph)
    joined = containers.join(model, b"{}")
    with pytest.raises(ValueError, match=r"manifest|cut short|neither"):
        containers.split(joined[: int(cut * (len(joined) - 1))])


@models
def test_a_model_alone_has_no_manifest(model):
    with pytest.raises(ValueError, match="no manifest"):
        containers.split(model)


@given(st.binary(max_size=2000))
def test_any_bytes_are_split_or_refused(content):
    for damaged in (content, b"\x08" + content, TFLITE[:8] + content):
        try:
            model, manifest, verifier = containers.split(damaged)
        except ValueError:
            continue
        assert containers.split(containers.join(model, manifest, verifier)) == (model, manifest, verifier)


@pytest.mark.parametrize("content", [b"", b"hello, no model", b"PK\3\4" + bytes(40)])
def test_what_is_no_model_is_neither(content):
    assert containers.kind(content) is None
    for act in (containers.split, lambda c: containers.join(c, b"{}")):
        with pytest.raises(ValueError, match="neither"):
            act(content)
