"""One model, whatever runs it: the engines side by side, each where it can be installed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers import ROOT, one_line_refusal

from kws_device import InputError, Spotter
from kws_device.model import engine, model_file

SCORES = """
import sys
import numpy as np
from kws_device import AudioFile, Spotter
spotter = Spotter.load(sys.argv[1], engine=sys.argv[2])
decisions = list(spotter.decisions(AudioFile(sys.argv[3])))
heads = {head: np.stack([decision.scores[head] for decision in decisions]) for head in ("keyword", "scene")}
np.savez(sys.argv[4], **heads)
"""


def tflite_runtime() -> Path:
    """The Python of its environment (make test sets it up; KWS_TFLITE_RUNTIME names another)."""
    folder = Path(os.environ.get("KWS_TFLITE_RUNTIME", ROOT / ".venv-tflite-runtime"))
    return folder / "bin" / "python"


MATRIX = [
    ("kws.tflite", "ai-edge-litert"),
    ("kws.tflite", "tflite-runtime"),
    ("kws.onnx", "onnxruntime"),
    ("kws-float.onnx", "onnxruntime"),
]


def python_with(package: str) -> Path:
    """The interpreter that has an engine, or a skip that says which is missing."""
    if package == "tflite-runtime":
        if not tflite_runtime().exists():
            pytest.skip("tflite-runtime is not installed: it has no wheel for this Python, or run make test")
        return tflite_runtime()
    pytest.importorskip(package.replace("-", "_"), reason=f"{package} is not installed")
    return Path(sys.executable)


@pytest.fixture(scope="module")
def unsmoothed(tmp_path_factory, shipped):
    """The shipped files with decoders that smooth nothing, so that decisions show the engines' own scores."""
    folder = tmp_path_factory.mktemp("models")
    for path in shipped.parent.glob("kws*"):
        if path.suffix in (".tflite", ".onnx"):
            file = model_file.read(path)
            heads = tuple(replace(head, smoothing_s=0.0) for head in file.manifest.heads)
            manifest = replace(file.manifest, heads=heads)
            model_file.write(folder / path.name, file.model, manifest, file.verifier)
    return folder


@pytest.fixture(scope="module")
def scores(unsmoothed, demo, tmp_path_factory):
    """By file and engine: the scores of every decision on the demo, shape (decisions, labels), by head."""
    answers: dict[tuple[str, str], dict[str, np.ndarray]] = {}

    def of(name: str, package: str) -> dict[str, np.ndarray]:
        if (name, package) not in answers:
            out = tmp_path_factory.mktemp("scores") / "scores.npz"
            arguments = [unsmoothed / name, package, demo / "demo.flac", out]
            subprocess.run([python_with(package), "-c", SCORES, *map(str, arguments)], check=True)
            with np.load(out, allow_pickle=False) as file:
                answers[name, package] = dict(file)
        return answers[name, package]

    return of


@pytest.mark.parametrize(("name", "package"), MATRIX)
def test_every_engine_hears_the_demo(name, package, demo):
    listen = "import sys; from kws_device.cli.listen import entry; entry()"
    python = python_with(package)
    model = ROOT / "device" / "kws_device" / "model" / "shipped" / name
    options = ["--model", model, "--engine", package, "--file", demo / "demo.flac", "--json"]
    result = subprocess.run(
        [python, "-c", listen, *map(str, options)], check=True, capture_output=True, text=True
    )
    heard = [json.loads(line).get("keyword") for line in result.stdout.splitlines()][:-1]
    script = json.loads((demo / "demo.json").read_text())
    keywords = Spotter.load().manifest.keywords
    assert heard == [word["word"] for word in script if word["word"] in keywords]


def steps_apart(ours, theirs, step):
    """The largest difference of each decision's logits, shape (decisions,), in steps of their tensor.

    Logits are known but for a constant, for which the median difference stands.
    """
    difference = np.log(ours) - np.log(theirs)
    difference -= np.median(difference, axis=1, keepdims=True)
    return np.abs(difference).max(axis=1) / step


@pytest.fixture(scope="module")
def steps(shipped):
    """By head: the quantisation step of its logits."""
    interpreter = pytest.importorskip("ai_edge_litert.interpreter").Interpreter
    runner = interpreter(model_content=model_file.read(shipped).model).get_signature_runner()
    return {name: detail["quantization"][0] for name, detail in runner.get_output_details().items()}


def test_the_int8_onnx_gives_the_scores_of_the_tflite_within_a_step(scores, steps):
    """But in one decision of a hundred: the engines add differently, and later layers make more of it."""
    ours, theirs = scores("kws.tflite", "ai-edge-litert"), scores("kws.onnx", "onnxruntime")
    for head, step in steps.items():
        apart = steps_apart(ours[head], theirs[head], step)
        assert np.mean(apart < 1.01) > 0.97
        assert apart.max() < 4.01
        assert np.mean(ours[head].argmax(axis=1) == theirs[head].argmax(axis=1)) > 0.99


def test_tflite_runtime_hears_what_its_successor_hears(scores, steps):
    """Its kernels, of 2023, round every layer in another way, as LiteRT's own do without XNNPACK.

    The demo has no scene of the model's, so that its first guess is often a near tie.
    """
    ours, theirs = scores("kws.tflite", "ai-edge-litert"), scores("kws.tflite", "tflite-runtime")
    for head, step in steps.items():
        apart = steps_apart(ours[head], theirs[head], step)
        assert apart.mean() < 4
        same = np.mean(ours[head].argmax(axis=1) == theirs[head].argmax(axis=1))
        assert same > {"keyword": 0.94, "scene": 0.9}[head]


def test_the_float_model_differs_by_what_int8_costs_and_no_more(scores):
    ours, theirs = scores("kws.tflite", "ai-edge-litert"), scores("kws-float.onnx", "onnxruntime")
    assert np.mean(np.abs(ours["keyword"] - theirs["keyword"])) < 0.01
    assert np.mean(ours["keyword"].argmax(axis=1) == theirs["keyword"].argmax(axis=1)) > 0.97


def test_the_engine_is_chosen_by_what_is_installed(monkeypatch):
    installed = {"onnxruntime"}
    monkeypatch.setattr(engine, "_is_installed", installed.__contains__)
    assert model_file.find(None, engine.kinds()).name == "kws.onnx"
    installed.add("tflite-runtime")
    assert model_file.find(None, engine.kinds()).name == "kws.tflite"
    assert model_file.find(None, engine.kinds("onnxruntime")).name == "kws.onnx"
    installed.clear()
    assert model_file.find(None, engine.kinds()).name == "kws.tflite"


def test_one_thread_unless_more_are_asked_for(shipped):
    asked = []

    class Interpreter:
        def __init__(self, *, model_content, num_threads):
            asked.append(num_threads)
            raise RuntimeError("seen enough")

    for threads in ((), (3,)):
        with pytest.raises(Exception, match="seen enough"):
            engine.TfliteEngine(engine.first_network(model_file.read(shipped)), Interpreter, *threads)
    assert asked == [1, 3]


def test_an_engine_that_does_not_fit_or_exist_is_refused(command, demo, shipped):
    sound = ["--file", demo / "demo.flac"]
    one_line_refusal(command("kws-listen", "--engine", "abacus", *sound), "abacus", "ai-edge-litert")
    onnx = shipped.with_name("kws.onnx")
    wrong = command("kws-listen", "--model", onnx, "--engine", "ai-edge-litert", *sound)
    one_line_refusal(wrong, "--engine ai-edge-litert", "kws.onnx", "onnxruntime")


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("raise ImportError('libwanted.so.1: cannot open shared object file')", "libwanted.so.1"),
        ("raise AttributeError('_ARRAY_API not found')", "_ARRAY_API not found"),
    ],
)
@pytest.mark.parametrize("chosen", [(), ("--engine", "onnxruntime")])
def test_an_engine_that_is_installed_but_broken_tells_its_reason(
    fault, reason, chosen, command, demo, shipped, tmp_path
):
    (tmp_path / "onnxruntime").mkdir()
    (tmp_path / "onnxruntime" / "__init__.py").write_text(fault)
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    onnx = ["--model", shipped.with_name("kws.onnx"), *chosen]
    result = command("kws-listen", *onnx, "--file", demo / "demo.flac", env=environment)
    one_line_refusal(result, "onnxruntime is installed but cannot be imported", reason)


def test_a_broken_engine_is_passed_over_where_another_one_works(shipped, monkeypatch):
    def broken():
        raise ImportError("built for another machine")

    monkeypatch.setattr(engine, "_is_installed", lambda package: True)
    litert = engine.ENGINES["tflite"]["ai-edge-litert"]
    monkeypatch.setitem(engine.ENGINES, "tflite", {"tflite-runtime": broken, "ai-edge-litert": litert})
    assert isinstance(engine.load_engine(model_file.read(shipped)), engine.TfliteEngine)


def test_without_any_engine_the_line_says_what_to_install(shipped, monkeypatch):
    monkeypatch.setattr(engine, "_is_installed", lambda package: False)
    with pytest.raises(InputError, match="run: pip install ai-edge-litert"):
        engine.load_engine(model_file.read(shipped))
