"""Mutants of networks: fields of TFLite's flat buffers and ONNX's protocol buffers, changed by schema."""

from __future__ import annotations

import struct
from random import Random
from typing import Any

import numpy as np
import onnx
from ai_edge_litert import schema_py_generated as schema
from fuzz.mutations import INTEGERS, changed_bytes, changed_number

from kws_export.tensor_names import packed

_STOP_EARLY = 0.1
"""How often a drawn way down a tree ends at a part that has parts of its own."""
_COPIES = (1, 2, 100, 5000)


def unpack_tflite(content: bytes) -> Any:
    """The tree of objects of a TFLite model."""
    return schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))


def changed_tflite(content: bytes, rng: Random) -> bytes:
    """A TFLite model with some of its fields changed."""
    while True:
        model = unpack_tflite(content)
        try:
            for _ in range(rng.choice([1, 1, 2, 4])):
                _change_object(model, rng)
            return packed(model)
        except (TypeError, ValueError, AttributeError, OverflowError, IndexError, struct.error):
            continue  # a value that the format cannot hold is no mutant


def _change_object(tree: Any, rng: Random) -> None:
    """Change one value below an object, found by a drawn way down."""
    while True:
        names = [name for name, value in vars(tree).items() if value is not None and not callable(value)]
        name = rng.choice(names)
        value = getattr(tree, name)
        if isinstance(value, list) and value and rng.random() > _STOP_EARLY and hasattr(value[0], "__dict__"):
            tree = rng.choice(value)
        elif hasattr(value, "__dict__"):
            tree = value
        else:
            setattr(tree, name, _changed_field(value, rng))
            return


def _changed_field(value: Any, rng: Random) -> Any:
    """Another value of the same type, mostly."""
    if isinstance(value, np.ndarray):
        if value.dtype == np.uint8:
            return np.frombuffer(changed_bytes(value.tobytes(), rng), np.uint8)
        items = value.tolist()
        _change_list(items, rng)
        return np.array(items, dtype=np.float64).astype(value.dtype)
    if isinstance(value, list):
        items = value.copy()
        _change_list(items, rng)
        return items
    if isinstance(value, bytes):
        return changed_bytes(value, rng)
    if isinstance(value, bool):
        return not value
    return rng.choice([changed_number(value, rng), rng.choice(INTEGERS)])


def _change_list(items: list[Any], rng: Random) -> None:
    """Change, drop, repeat or move an item of a list, in place."""
    if not items:
        return
    at, other = rng.randrange(len(items)), rng.randrange(len(items))
    kind = rng.randrange(4)
    if kind == 0:
        del items[at]
    elif kind == 1:
        items[at:at] = [items[other]] * rng.choice(_COPIES)
    elif kind == 2 or not isinstance(items[at], (int, float)):
        items[at], items[other] = items[other], items[at]
    else:
        items[at] = changed_number(items[at], rng)


def changed_onnx(content: bytes, rng: Random) -> bytes:
    """An ONNX model with some of its fields changed."""
    while True:
        model = onnx.ModelProto.FromString(content)
        try:
            for _ in range(rng.choice([1, 1, 2, 4])):
                _change_message(model, rng)
            return bytes(model.SerializeToString())
        except (TypeError, ValueError, OverflowError):
            continue  # a value that the format cannot hold is no mutant


def _change_message(message: Any, rng: Random) -> None:
    """Change one field below a message, found by a drawn way down; now and then one that was not set."""
    while True:
        present = [field for field, _ in message.ListFields()]
        fields = present if present and rng.random() > _STOP_EARLY else message.DESCRIPTOR.fields
        field = rng.choice(fields)
        value = getattr(message, field.name)
        is_message = field.message_type is not None
        if hasattr(value, "append"):
            if is_message and value and rng.random() > _STOP_EARLY:
                message = rng.choice(value)
                continue
            items = [*value] or (
                [field.message_type._concrete_class()] if is_message else [rng.choice(INTEGERS)]
            )
            _change_list(items, rng)
            message.ClearField(field.name)
            getattr(message, field.name).extend(items)
        elif is_message:
            message = value
            continue
        elif isinstance(value, bytes):
            setattr(message, field.name, changed_bytes(value, rng))
        elif isinstance(value, str):
            setattr(message, field.name, changed_bytes(value.encode(), rng).decode(errors="replace"))
        else:
            setattr(message, field.name, rng.choice([changed_number(value, rng), rng.choice(INTEGERS)]))
        return
