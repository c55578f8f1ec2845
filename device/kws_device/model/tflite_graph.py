"""Checks a TFLite model before an interpreter reads it: only what a keyword model needs is allowed.

Interpreters trust a model: they end the process over a stride of zero, and allocate what its shapes ask for.

Source: TensorFlow Lite's schema.fbs, whose numbers of fields stand here.
"""

from __future__ import annotations

import math

from .flatbuffer import BYTE, FLOAT, INT, LONG, UBYTE, UINT, Table
from .graph_limits import MOST_ENDS, MOST_OPERATORS, MOST_TENSORS, Budget, values_of
from .tflite_operators import FLOAT32, INT8, LAYOUTS, RULES, UINT8, Operator, Tensor

# Fields of the tables that are read here; a model that has more of them uses what we do not know.
_MODEL, _OPERATOR_CODE, _SUBGRAPH, _TENSOR, _QUANTISATION, _OPERATOR = 8, 4, 6, 9, 7, 14
_BUFFER, _METADATA, _SIGNATURE, _TENSOR_MAP = 1, 2, 5, 2

_VERSION = 3
_MOST_SCALES = 2048
_LEAST_SCALE, _LARGEST_SCALE = 1e-9, 1e6
_ZERO_POINTS = {UINT8: range(256), INT8: range(-128, 128)}
_NO_TENSOR = -1
"""In place of a bias that is not there."""


def check(content: bytes) -> None:
    """Hold a model against the limits of graph_limits and the operators of tflite_operators.

    Raises:
        ValueError: an offset leads out of the file, the model holds what no keyword model needs (several
            graphs, custom operators, variables, sparse or external tensors), or its graph computes too much.
    """
    model = Table.root(content, _MODEL)
    if model.number(0, UINT) != _VERSION:
        raise ValueError(f"version {model.number(0, UINT)} of TFLite is not {_VERSION}")
    buffers = [buffer.data(0) for buffer in model.tables(4, _BUFFER, MOST_TENSORS)]
    _check_metadata(model, len(buffers))
    graphs = model.tables(2, _SUBGRAPH, MOST_TENSORS)
    if len(graphs) != 1:
        raise ValueError(f"{len(graphs)} graphs instead of one")
    codes = [_operator_code(code) for code in model.tables(1, _OPERATOR_CODE, MOST_OPERATORS)]
    _check_graph(graphs[0], buffers, codes)
    signatures = model.tables(7, _SIGNATURE, MOST_ENDS)
    if len(signatures) != 1:
        raise ValueError(f"{len(signatures)} signatures instead of one")
    _check_signature(signatures[0], graphs[0])


def _check_metadata(model: Table, buffers: int) -> None:
    model.text(3)
    places = [*model.integers(5, INT, MOST_TENSORS)]
    for entry in model.tables(6, _METADATA, MOST_TENSORS):
        entry.text(0)
        places.append(entry.number(1, UINT))
    if not all(0 <= place < buffers for place in places):
        raise ValueError("metadata in no buffer")


def _operator_code(code: Table) -> int:
    """The number of an operator of TFLite's own."""
    number = max(code.number(0, BYTE), code.number(3, INT))
    if code.has(1) or number not in RULES:
        name = f"custom operator {code.text(1)}" if code.has(1) else f"operator {number} of TFLite"
        raise ValueError(f"no keyword model needs {name}")
    return number


def _check_graph(graph: Table, buffers: list[memoryview], codes: list[int]) -> None:
    graph.text(4)
    tensors = [_tensor(tensor, buffers) for tensor in graph.tables(0, _TENSOR, MOST_TENSORS)]
    inputs, outputs = (graph.integers(field, INT, MOST_ENDS) for field in (1, 2))
    if not all(0 <= index < len(tensors) and not tensors[index].data for index in (*inputs, *outputs)):
        raise ValueError("an input or output is no tensor, or constant")
    if any(tensors[index].kind not in (FLOAT32, *_ZERO_POINTS) for index in (*inputs, *outputs)):
        raise ValueError("an input or output holds neither float32 nor int8 or uint8")
    known = {*inputs, *(index for index, tensor in enumerate(tensors) if tensor.data)}
    budget = Budget()
    for index in inputs:
        budget.count(tensors[index].shape)
    for operator in graph.tables(3, _OPERATOR, MOST_OPERATORS):
        known.add(_check_operator(operator, tensors, known, codes, budget))
    if len(known) < len(tensors):
        raise ValueError("a tensor is never computed")


def _check_operator(
    operator: Table, tensors: list[Tensor], known: set[int], codes: list[int], budget: Budget
) -> int:
    """Raises ValueError for an operator that no keyword model needs; returns the tensor that it computes."""
    code = operator.number(0, UINT)
    inputs, outputs = (operator.integers(field, INT, MOST_ENDS * 4) for field in (1, 2))
    # Custom options, variables, intermediate tensors, and the second table of options.
    if code >= len(codes) or any(operator.has(field) for field in (5, 7, 8, 9, 10, 12)):
        raise ValueError("an operator uses what no keyword model needs")
    rule = RULES[codes[code]]
    if len(inputs) == 3 and inputs[2] == _NO_TENSOR:
        inputs = inputs[:2]
    if len(inputs) not in rule.inputs or not set(inputs) <= known:
        raise ValueError("the inputs of an operator are not there")
    if len(outputs) != 1 or not 0 <= outputs[0] < len(tensors) or outputs[0] in known:
        raise ValueError("an operator computes no tensor of its own")
    options = None
    if operator.has(4):
        if operator.number(3, UBYTE) != rule.options:
            raise ValueError("an operator has the options of another")
        options = operator.table(4, rule.option_fields)
    output = tensors[outputs[0]]
    given = [tensors[index] for index in inputs]
    shape = budget.spend(rule.output(Operator(given, output, options)), (tensor.shape for tensor in given))
    if shape != output.shape:
        raise ValueError(f"an operator computes {shape} where {output.shape} is declared")
    return outputs[0]


def _tensor(tensor: Table, buffers: list[memoryview]) -> Tensor:
    shape = tensor.integers(0, INT, 8)
    values = values_of(shape)
    kind, buffer = tensor.number(1, BYTE), tensor.number(2, UINT)
    tensor.text(3)
    signature = tensor.integers(7, INT, 8)
    if kind not in LAYOUTS or buffer >= len(buffers) or tensor.number(5, BYTE) or tensor.has(6):
        raise ValueError(f"a tensor of type {kind} is variable, sparse, or of another kind than ours")
    if signature and signature != shape:
        raise ValueError(f"a tensor of changing shape {signature}")
    data = buffers[buffer]
    if data and len(data) != values * LAYOUTS[kind].size:
        raise ValueError(f"{len(data)} bytes for a tensor of {values} values")
    quantisation = tensor.table(4, _QUANTISATION)
    scales = () if quantisation is None else _scales(quantisation, kind, shape, bool(data))
    if kind in _ZERO_POINTS and not scales:
        raise ValueError("integers without a scale")
    return Tensor(shape, kind, data, scales)


def _scales(quantisation: Table, kind: int, shape: tuple[int, ...], constant: bool) -> tuple[float, ...]:
    for field in (0, 1):  # the smallest and the largest value, which tell nothing new
        quantisation.numbers(field, FLOAT, _MOST_SCALES)
    scales = quantisation.numbers(2, FLOAT, _MOST_SCALES)
    zero_points = quantisation.integers(3, LONG, _MOST_SCALES)
    dimension = quantisation.number(6, INT)
    if quantisation.has(5) or len(zero_points) != len(scales):
        raise ValueError("a tensor is quantised in a way that is not known here")
    if len(scales) > 1 and not (constant and 0 <= dimension < len(shape) and shape[dimension] == len(scales)):
        raise ValueError(f"{len(scales)} scales for a tensor of {shape}")
    least, most = (0.0, math.inf) if constant else (_LEAST_SCALE, _LARGEST_SCALE)
    if not all(least <= scale <= most and math.isfinite(scale) for scale in scales):
        raise ValueError("a scale is out of its range")
    if not all(point in _ZERO_POINTS.get(kind, (0,)) for point in zero_points):
        raise ValueError("a zero point is out of its range")
    return scales


def _check_signature(signature: Table, graph: Table) -> None:
    """The names by which the outputs are found."""
    signature.text(2)
    if signature.number(4, UINT) != 0:
        raise ValueError("the signature is of another graph")
    for field, place in ((0, 1), (1, 2)):
        ends = signature.tables(field, _TENSOR_MAP, MOST_ENDS)
        names = {end.text(0) for end in ends}
        indices = [end.number(1, UINT) for end in ends]
        if len(names) != len(ends) or sorted(indices) != sorted(graph.integers(place, INT, MOST_ENDS)):
            raise ValueError("the signature does not name the inputs and outputs of the graph")
