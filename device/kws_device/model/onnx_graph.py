"""Checks an ONNX model before ONNX Runtime reads it: only what a keyword model needs is allowed.

ONNX Runtime reads tensors from other files, runs loops and allocates whatever a graph's shapes ask for.

Source: onnx.proto, whose numbers of fields stand here.
"""

from __future__ import annotations

from .graph_limits import MOST_ENDS, MOST_OPERATORS, MOST_TENSORS, Budget, Shape, values_of
from .onnx_operators import INT64, RULES, Node, Tensor
from .protobuf import fields, varint

_FLOAT, _UINT8, _INT8, _INT32 = 1, 2, 3, 6
_BYTES = {_FLOAT: 4, _UINT8: 1, _INT8: 1, _INT32: 4, INT64: 8}
"""By the number of a type in onnx.TensorProto: of a value."""
_DOMAINS = (b"", b"ai.onnx", b"ai.onnx.ml")
_MOST_FIELDS = 3 * MOST_TENSORS
_MOST_LIST = 64
"""Numbers in an attribute."""

_Parts = dict[int, list[int | bytes]]
"""Of a message: its values by the number of their field."""


def check(content: bytes) -> None:
    """Hold a model against the limits of graph_limits and the operators of onnx_operators.

    Raises:
        ValueError: the model is damaged, holds what no keyword model needs (functions, graphs within the
            graph, operators of other domains, tensors in other files), or its graph computes too much.
    """
    # Without training_info and functions.
    model = _parts(content, {1, 2, 3, 4, 5, 6, 7, 8, 14})
    for opset in _messages(model, 8):
        if _bytes(_parts(opset, {1, 2}), 1) not in _DOMAINS:
            raise ValueError("it needs operators that are not ONNX's own")
    # Without sparse tensors and annotations of quantised ones.
    graph = _parts(_bytes(model, 7), {1, 2, 5, 10, 11, 12, 13, 16})
    nodes, constants = _messages(graph, 1), _messages(graph, 5)
    inputs, outputs = _messages(graph, 11), _messages(graph, 12)
    if len(nodes) > MOST_OPERATORS or len(constants) > MOST_TENSORS or len(inputs + outputs) > MOST_ENDS:
        raise ValueError(
            f"{len(nodes)} operators on {len(constants)} constants are more than a keyword model needs"
        )
    budget = Budget()
    tensors: dict[bytes, Tensor] = {}
    for constant in constants:
        _add(tensors, *_constant(constant))
    for given in inputs:
        name, shape = _input(given)
        budget.count(shape)
        _add(tensors, name, Tensor(shape))
    for node in nodes:
        _add(tensors, *_computed(node, tensors, budget))
    if not all(_bytes(_parts(output, {1, 2, 3, 4}), 1) in tensors for output in outputs):
        raise ValueError("an output is never computed")


def _add(tensors: dict[bytes, Tensor], name: bytes, tensor: Tensor) -> None:
    if not name or name in tensors:
        raise ValueError("a tensor has no name of its own")
    tensors[name] = tensor


def _computed(content: bytes, tensors: dict[bytes, Tensor], budget: Budget) -> tuple[bytes, Tensor]:
    """The tensor that an operator computes, by its name."""
    # Without overloads of functions and configurations of devices.
    node = _parts(content, {1, 2, 3, 4, 5, 6, 7, 9})
    operator = _bytes(node, 4).decode()
    if _bytes(node, 7) not in _DOMAINS[:2]:
        raise ValueError(f"no keyword model needs {operator} of another domain than ONNX's own")
    (output,) = _messages(node, 2) if len(node.get(2, ())) == 1 else (b"",)
    attributes = [_parts(attribute, {1, 2, 3, 4, 5, 7, 8, 13, 20}) for attribute in _messages(node, 5)]
    if operator == "Constant":
        if len(attributes) != 1 or _bytes(attributes[0], 1) != b"value" or node.get(1):
            raise ValueError("a constant is no tensor")
        return output, _constant(_bytes(attributes[0], 5))[1]
    if operator not in RULES:
        raise ValueError(f"no keyword model needs the operator {operator}")
    rule = RULES[operator]
    names = _messages(node, 1)
    while names and not names[-1]:
        names.pop()  # an optional input that is not there
    if len(names) not in rule.inputs or not all(name in tensors for name in names):
        raise ValueError(f"the inputs of {operator} are not there")
    values = {_bytes(attribute, 1).decode(): _value(attribute) for attribute in attributes}
    given = [tensors[name] for name in names]
    return output, Tensor(budget.spend(rule.output(Node(given, values)), (tensor.shape for tensor in given)))


def _value(attribute: _Parts) -> int | tuple[int, ...] | bytes:
    """What shapes depend on; floating-point numbers, which they do not, are an empty list."""
    if 5 in attribute:
        raise ValueError("an attribute is a tensor")
    if 3 in attribute:
        return _signed(_one(attribute, 3))
    return _bytes(attribute, 4) if 4 in attribute else _integers(attribute, 8)


def _constant(content: bytes) -> tuple[bytes, Tensor]:
    """A tensor by its name."""
    # Without segments, external data, text, and numbers that are not stored as they lie in memory.
    tensor = _parts(content, {1, 2, 8, 9, 12})
    shape, kind, data = _integers(tensor, 1), _one(tensor, 2), _bytes(tensor, 9)
    if not isinstance(kind, int) or kind not in _BYTES or len(data) != values_of(shape) * _BYTES[kind]:
        raise ValueError(f"{len(data)} bytes for a constant of {shape[:8]}")
    return _bytes(tensor, 8), Tensor(shape, kind, data)


def _input(content: bytes) -> tuple[bytes, Shape]:
    """Name and shape of an input: a tensor of float32 whose dimensions are known."""
    given = _parts(content, {1, 2, 3, 4})
    tensor = _parts(_bytes(_parts(_bytes(given, 2), {1, 6}), 1), {1, 2})
    dimensions = [_parts(size, {1, 2, 3}) for size in _messages(_parts(_bytes(tensor, 2), {1}), 1)]
    if _one(tensor, 1) != _FLOAT or not all(1 in size for size in dimensions):
        raise ValueError("an input is no float32 tensor of a known shape")
    return _bytes(given, 1), tuple(_signed(_one(size, 1)) for size in dimensions)


def _parts(message: bytes, known: set[int]) -> _Parts:
    """The values of a message by their field. Raises ValueError for a field that is not known."""
    found: _Parts = {}
    for _, number, value in fields(message, _MOST_FIELDS):
        if number not in known:
            raise ValueError(f"field {number} of a message is nothing that a keyword model needs")
        found.setdefault(number, []).append(value)
    return found


def _one(parts: _Parts, field: int) -> int | bytes:
    """The value of a field that must not be repeated: readers would merge what we look at apart."""
    values = parts.get(field, [0])
    if len(values) != 1:
        raise ValueError(f"field {field} of a message is repeated")
    return values[0]


def _bytes(parts: _Parts, field: int) -> bytes:
    """A text or a message; empty where there is none."""
    value = _one(parts, field) if field in parts else b""
    if not isinstance(value, bytes):
        raise ValueError(f"field {field} of a message is a number")
    return value


def _messages(parts: _Parts, field: int) -> list[bytes]:
    values = [value for value in parts.get(field, []) if isinstance(value, bytes)]
    if len(values) != len(parts.get(field, [])):
        raise ValueError(f"field {field} of a message is a number")
    return values


def _integers(parts: _Parts, field: int) -> tuple[int, ...]:
    """A list of whole numbers, packed or each a field of its own."""
    found: list[int] = []
    for value in parts.get(field, []):
        if isinstance(value, int):
            found.append(_signed(value))
        at = 0
        while isinstance(value, bytes) and at < len(value) and len(found) <= _MOST_LIST:
            number, at = varint(value, at)
            found.append(_signed(number))
    if len(found) > _MOST_LIST:
        raise ValueError(f"a list of more than {_MOST_LIST} numbers")
    return tuple(found)


def _signed(value: int | bytes) -> int:
    if not isinstance(value, int):
        raise ValueError("a number is a text")
    value &= (1 << 64) - 1
    return value - (1 << 64) if value >> 63 else value
