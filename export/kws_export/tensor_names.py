"""Short names for the tensors of a TFLite model; the converter's names take a fifth of a small file."""

from __future__ import annotations

import functools
from typing import Any

_ALIGNMENT = 16
"""Of constants in a TFLite file, in bytes: its schema's force_align."""
_IN_PASSING = ("re_lu", "batch_norm", "add")
"""Layers that the converter fuses into another, whose name says more."""


def with_short_names(content: bytes) -> bytes:
    """The model with each tensor called after one layer instead of all that were fused into it.

    `net/re_lu/Relu;net/batch_normalization/add;net/conv2d/convolution` becomes `conv2d`, a second tensor
    of the same layer `conv2d.1`. Inputs, outputs, weights and operators stay as they are.

    Args:
        content: a TFLite model.
    """
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    for graph in model.subgraphs:
        taken: dict[str, int] = {}
        for tensor in graph.tensors:
            name = layer_of(tensor.name.decode())
            count = taken[name] = taken.get(name, -1) + 1
            tensor.name = f"{name}.{count}" if count else name
    return packed(model)


def packed(model: Any) -> bytes:
    """The content of a TFLite file from the object tree of the schema's generated code (ModelT)."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    for buffer in model.buffers:
        if buffer.data is not None and len(buffer.data):
            buffer.Pack = functools.partial(_pack_aligned, buffer, schema)
    builder = flatbuffers.Builder(1 << 16)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def layer_of(name: str) -> str:
    """The layer that a tensor's name is about; the name itself where it names none."""
    found = [part.split("/")[1] for part in name.split(";") if "/" in part]
    return next((layer for layer in found if not layer.startswith(_IN_PASSING)), found[0] if found else name)


def _pack_aligned(buffer: Any, schema: Any, builder: Any) -> Any:
    """Write a buffer at the alignment that the generated code forgets; where it begins."""
    data = bytes(buffer.data)
    builder.StartVector(1, len(data), _ALIGNMENT)
    builder.head -= len(data)
    builder.Bytes[builder.head : builder.head + len(data)] = data
    vector = builder.EndVector()
    schema.BufferStart(builder)
    schema.BufferAddData(builder, vector)
    return schema.BufferEnd(builder)
