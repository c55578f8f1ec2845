"""Graphs from strangers, under a correctly made hash: what no keyword model needs is refused unseen."""

from __future__ import annotations

import functools
import re

import numpy as np
import pytest
from helpers import first_network, one_line_refusal
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kws_device import InputError
from kws_device.model import model_file, onnx_graph, tflite_graph
from kws_device.model.engine import load_engine

flatbuffers = pytest.importorskip("flatbuffers", reason="flatbuffers is not installed")
schema = pytest.importorskip("ai_edge_litert.schema_py_generated", reason="ai-edge-litert is not installed")
onnx = pytest.importorskip("onnx", reason="onnx is not installed")

TINY = first_network("tiny")
TINY_ONNX = first_network(model_file.find("tiny", ("onnx",)))
CHECKS = {"tflite": (TINY.model, tflite_graph.check), "onnx": (TINY_ONNX.model, onnx_graph.check)}
formats = pytest.mark.parametrize("kind", CHECKS)
robust = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))


def tflite(change):
    """The shipped model with another graph: `change` is given the objects of its FlatBuffer."""
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(TINY.model, 0))
    change(model)
    builder = flatbuffers.Builder(len(TINY.model))
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def onnx_model(change):
    model = onnx.load_from_string(TINY_ONNX.model)
    change(model)
    return model.SerializeToString()


def operator(model, code):
    """The first operator of a kind."""
    codes = [c.builtinCode for c in model.operatorCodes]
    for found in model.subgraphs[0].operators:
        if codes[found.opcodeIndex] == code:
            return found
    raise AssertionError(f"no operator {code}")


def with_option(code, name, value):
    return lambda model: setattr(operator(model, code).builtinOptions, name, value)


def with_tensor(code, name, value, end="outputs"):
    """Another value in the tensor that an operator computes, or in its weights."""

    def change(model):
        index = operator(model, code).outputs[0] if end == "outputs" else operator(model, code).inputs[1]
        setattr(model.subgraphs[0].tensors[index], name, value)

    return change


def test_weights_that_many_operators_share_count_for_each():
    """Libraries pack a copy for every operator: a megabyte of weights becomes gigabytes."""
    weights = np.zeros((3920, 1000), np.float32)
    size = np.array([1, 3920], np.int64)
    shared = [node("MatMul", ["flat", "weights"], [f"out{n}"]) for n in range(20)]
    change = before_all(node("Reshape", ["mels", "size"], ["flat"]), *shared)
    content = onnx_model(with_constant("weights", weights, with_constant("size", size, change)))
    with pytest.raises(ValueError, match="read more than"):
        onnx_graph.check(content)


def with_scale(code, values, end="outputs"):
    def change(model):
        index = operator(model, code).outputs[0] if end == "outputs" else operator(model, code).inputs[1]
        model.subgraphs[0].tensors[index].quantization.scale = values

    return change


def custom(model):
    code = model.operatorCodes[0]
    code.builtinCode, code.deprecatedBuiltinCode, code.customCode = 32, 32, b"FlexAbs"


def twice(model):
    model.subgraphs.append(model.subgraphs[0])


def while_loop(model):
    model.operatorCodes[0].builtinCode = 119
    model.operatorCodes[0].deprecatedBuiltinCode = 119


def huge_broadcast(model):
    """A sum of a column and a row: the declared shapes are small, what the kernel computes is not."""
    graph = model.subgraphs[0]
    add = operator(model, 0)
    for index, shape in zip(add.inputs, ([1, 30_000, 1, 1], [1, 1, 30_000, 1]), strict=True):
        graph.tensors[index].shape = shape


def external(model):
    model.buffers[1].offset, model.buffers[1].size = 1 << 30, 1 << 30


CONV, POOLED, MEAN, RESHAPE, DENSE, ADD = 3, 4, 40, 22, 9, 0
TFLITE_CASES = {
    "custom operator": (custom, "custom operator FlexAbs"),
    "loop": (while_loop, "operator 119"),
    "two graphs": (twice, "2 graphs instead of one"),
    "external buffer": (external, "fields that are not known"),
    "stride of zero": (with_option(CONV, "strideH", 0), "stride"),
    "negative stride": (with_option(POOLED, "strideW", -1), "stride"),
    "dilation of zero": (with_option(CONV, "dilationHFactor", 0), "dilation"),
    "padding of another kind": (with_option(CONV, "padding", 7), "neither SAME nor VALID"),
    "multiplier of zero": (with_option(POOLED, "depthMultiplier", 0), "depthwise kernel"),
    "huge dimension": (with_tensor(CONV, "shape", [1, 1 << 20, 1 << 10, 1 << 10]), "is declared"),
    "negative dimension": (with_tensor(CONV, "shape", [1, -5, 20, 8]), "has the shape"),
    "shape that lies": (with_tensor(CONV, "shape", [1, 1, 1, 8]), "is declared"),
    "weights that lie": (with_tensor(CONV, "shape", [80, 5, 5, 1], "weights"), "bytes for a tensor"),
    "weights computed": (with_tensor(CONV, "buffer", 0, "weights"), "8 scales for a tensor"),
    "buffer beyond": (with_tensor(CONV, "buffer", 10_000, "weights"), "a tensor of type 9"),
    "strange type": (with_tensor(CONV, "type", 5), "a tensor of type 5"),
    "variable": (with_tensor(CONV, "isVariable", True), "variable"),
    "scale of zero": (with_scale(CONV, [0.0]), "scale is out of its range"),
    "scale of nan": (with_scale(CONV, [float("nan")]), "scale is out of its range"),
    "no scale": (with_scale(CONV, []), "quantised in a way"),
    "scales of a sum": (with_scale(ADD, [1e-8]), "too far apart"),
    "too many scales": (with_scale(CONV, [0.1] * 3, "weights"), "quantised in a way"),
    "huge broadcast": (huge_broadcast, "computes more than|is declared|expected"),
}


def refused(content, check, words, path, manifest):
    """A network is refused by its check, and in a file by whoever loads that."""
    with pytest.raises(ValueError, match=words):
        check(content)
    model_file.write(path, content, manifest)
    said = re.escape(f"{path.name}: the model is damaged, or no keyword model")
    with pytest.raises(InputError, match=said):
        load_engine(model_file.read(path))


@pytest.mark.parametrize(("change", "words"), TFLITE_CASES.values(), ids=TFLITE_CASES)
def test_a_tflite_graph_that_no_keyword_model_needs_is_refused(change, words, tmp_path):
    refused(tflite(change), tflite_graph.check, words, tmp_path / "strange.tflite", TINY.manifest)


def test_the_model_as_it_was_packed_is_taken():
    tflite_graph.check(tflite(lambda model: None))
    onnx_graph.check(onnx_model(lambda model: None))


def node(*arguments, **attributes):
    return onnx.helper.make_node(*arguments, **attributes)


def first(model, kind):
    return next(node for node in model.graph.node if node.op_type == kind)


def before_all(*nodes):
    """Other operators on the input, whose output nobody needs."""

    def change(model):
        for n, made in enumerate(nodes):
            model.graph.node.insert(n, made)

    return change


def with_constant(name, array, then=lambda model: None):
    def change(model):
        model.graph.initializer.append(onnx.numpy_helper.from_array(array, name))
        then(model)

    return change


def branch(model):
    graph = onnx.helper.make_graph([], "empty", [], [])
    model.graph.node.insert(0, node("If", ["mels"], ["out"], then_branch=graph, else_branch=graph))


def elsewhere(model):
    tensor = model.graph.initializer[0]
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")


def function(model):
    made = onnx.helper.make_function("here", "F", ["a"], ["b"], [node("Relu", ["a"], ["b"])], [])
    model.functions.append(made)


def foreign(model):
    model.graph.node.insert(0, node("FusedConv", ["mels"], ["out"], domain="com.microsoft"))
    model.opset_import.append(onnx.helper.make_opsetid("com.microsoft", 1))


def padded(model):
    attribute = next(a for a in first(model, "Conv").attribute if a.name == "pads")
    attribute.ints[:] = [1 << 20] * 4


COLUMN, ROW = np.zeros((50_000, 1), np.float32), np.zeros((1, 50_000), np.float32)
PRODUCT = with_constant(
    "column", COLUMN, with_constant("row", ROW, before_all(node("MatMul", ["column", "row"], ["out"])))
)
SUM = with_constant(
    "column", COLUMN, with_constant("row", ROW, before_all(node("Add", ["column", "row"], ["out"])))
)
SIZE = np.array([1 << 40], np.int64)
ONNX_CASES = {
    "branch": (branch, "field 6 of a message"),
    "loop": (before_all(node("Loop", ["mels"], ["out"])), "operator Loop"),
    "external data": (elsewhere, "field 1[34] of a message"),
    "function": (function, "field 25 of a message"),
    "foreign domain": (foreign, "not ONNX's own"),
    "constant of any size": (
        with_constant("size", SIZE, before_all(node("ConstantOfShape", ["size"], ["out"]))),
        "operator ConstantOfShape",
    ),
    "large padding": (padded, "does not fit"),
    "large product": (PRODUCT, "computes more than"),
    "large sum": (SUM, "computes more than"),
    "unknown input": (before_all(node("Relu", ["nowhere"], ["out"])), "inputs of Relu are not there"),
    "computed twice": (before_all(node("Relu", ["mels"], ["out"]), node("Relu", ["mels"], ["out"])), "name"),
    "constant that lies": (lambda m: m.graph.initializer[0].dims.append(1000), "bytes for a constant"),
    "open shape": (
        lambda m: setattr(m.graph.input[0].type.tensor_type.shape.dim[0], "dim_param", "n"),
        "known shape",
    ),
}


@pytest.mark.parametrize(("change", "words"), ONNX_CASES.values(), ids=ONNX_CASES)
def test_an_onnx_graph_that_no_keyword_model_needs_is_refused(change, words, tmp_path):
    refused(onnx_model(change), onnx_graph.check, words, tmp_path / "strange.onnx", TINY_ONNX.manifest)


def test_two_graphs_that_readers_would_merge_are_refused():
    graph = onnx.load_from_string(TINY_ONNX.model).graph.SerializeToString()
    again = onnx.ModelProto(graph=onnx.GraphProto.FromString(graph)).SerializeToString()
    with pytest.raises(ValueError, match="field 7 of a message is repeated"):
        onnx_graph.check(TINY_ONNX.model + again)


def test_scores_that_are_not_finite_end_listening_in_one_line(command, tmp_path, demo):
    """Weights of NaN give NaN for every window: no threshold holds it back, and no JSON can tell it."""
    file = model_file.read(model_file.find("kws-float", ("onnx",)))
    model = onnx.load_from_string(file.model)
    weights = next(weights for weights in model.graph.initializer if weights.data_type == 1)
    weights.raw_data = np.full(len(weights.raw_data) // 4, np.nan, np.float32).tobytes()
    path = tmp_path / "nan.onnx"
    model_file.write(path, model.SerializeToString(), file.manifest, file.verifier)
    result = command("kws-listen", "--model", path, "--file", demo / "demo.flac", "--json")
    one_line_refusal(result, path, "not finite")
    assert result.stdout == ""


@formats
@robust
@given(data=st.data())
def test_bytes_changed_anywhere_are_taken_or_refused(kind, data):
    content, check = CHECKS[kind]
    mutant = bytearray(content)
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(0, len(mutant) - 1))
        mutant[at : at + 4] = data.draw(st.binary(min_size=1, max_size=4))
    try:
        check(bytes(mutant))
    except ValueError:
        return


@formats
@robust
@given(cut=st.floats(0, 1), data=st.binary(max_size=64))
def test_files_that_end_early_or_otherwise_are_taken_or_refused(kind, cut, data):
    content, check = CHECKS[kind]
    whole = content[: int(cut * len(content))]
    for mutant in (whole, whole + data):
        try:
            check(mutant)
        except ValueError:
            continue


WEIRD = st.sampled_from([0, -1, 1, 2, 7, 127, -128, 255, 1 << 15, 1 << 20, (1 << 31) - 1, -(1 << 31)])


def numbers_in(value, way=()):
    """The way to every number of a model's objects."""
    if isinstance(value, list | np.ndarray):
        for index, item in enumerate(value[:8]):
            yield from numbers_in(item, (*way, index))
    elif isinstance(value, (int, np.integer)):
        yield way
    elif hasattr(value, "__dict__") and not isinstance(value, schema.BufferT):
        for name, item in vars(value).items():
            yield from numbers_in(item, (*way, name))


@functools.cache
def all_numbers():
    return list(numbers_in(schema.ModelT.InitFromObj(schema.Model.GetRootAs(TINY.model, 0))))


def put(model, way, number):
    inner = model
    for step in way[:-1]:
        inner = inner[step] if isinstance(step, int) else getattr(inner, step)
    if isinstance(way[-1], int):
        inner[way[-1]] = number
    else:
        setattr(inner, way[-1], number)


@robust
@given(data=st.data())
def test_any_number_of_a_tflite_graph_may_be_any_other(data):
    changes = [(data.draw(st.sampled_from(all_numbers())), data.draw(WEIRD)) for _ in range(2)]

    def change(model):
        for way, number in changes:
            put(model, way, number)

    try:
        content = tflite(change)
    except (TypeError, OverflowError, ValueError):
        return  # the field is too small for the number
    try:
        tflite_graph.check(content)
    except ValueError:
        return


@pytest.mark.parametrize("option", ["--model", "kws-bench"])
def test_commands_refuse_such_a_graph_in_one_line(option, command, tmp_path, demo):
    path = tmp_path / "strange.tflite"
    model_file.write(path, tflite(with_option(CONV, "strideH", 0)), TINY.manifest)
    if option == "--model":
        result = command("kws-listen", "--model", path, "--file", demo / "demo.flac")
    else:
        result = command("kws-bench", "speed", "--model", path, "--json")
    one_line_refusal(result, path, "no keyword model")
