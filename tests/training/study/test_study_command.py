"""kws-train study: from two folders to the finished page, on small folders in the datasets' own layouts."""

from __future__ import annotations

import csv
import html
import json
import re

import pytest
import synthetic_datasets
import tomllib
from helpers import one_line_refusal

from kws_device.model import model_file
from kws_training.schemes.study.reported import ROWS

SOME = ("base-scd", "run4", "run5")
"""Rows of the variants that differ from the documented one in data and switches alone."""
TRAINED = {"documented": tuple(ROWS), "as-run": SOME, "frozen-heads": SOME[1:]}


@pytest.fixture(scope="module")
def study(command, tmp_path_factory):
    """The table, in two calls: the folder of the study and the options that made it."""
    folder = tmp_path_factory.mktemp("study")
    data = ("--speech", synthetic_datasets.speech_commands(folder / "speech"))
    data += ("--scenes", synthetic_datasets.urbansound8k(folder / "urbansound8k"))
    options = (*data, "--out", folder / "out", "--cache", folder / "cache", "--epochs", 1)
    for part in (("--variant", "documented"), ("--only", *SOME)):
        result = command("kws-train", "study", *options, *part)
        assert result.returncode == 0, result.stderr
    return folder / "out", options


def page(out):
    return json.loads((out / "study.json").read_text())


def test_every_row_that_is_asked_for_becomes_a_run(study):
    out, _ = study
    for variant, rows in TRAINED.items():
        assert {path.name for path in (out / "runs" / variant).iterdir()} == set(rows)
        for row in rows:
            run = out / "runs" / variant / row / "seed1"
            assert (run / "model.keras").is_file()
            recipe = tomllib.loads((run / "recipe.toml").read_text())
            assert (recipe["name"], recipe["variant"], recipe["seed"]) == (row, variant, 1)
            without_speech = (variant, row) == ("documented", "base-usd")
            assert recipe["keywords"] == ([] if without_speech else ["bed", "no", "yes"])
    assert not list(out.rglob(".*"))


def test_the_page_shows_the_studys_figures_beside_ours(study):
    out, _ = study
    text = html.unescape((out / "index.html").read_text())
    for row in ROWS:
        assert re.search(rf"<td>{row}</td>", text)
    for figure in ("94.4", "86.4", "71.0", "90.2", "93.7", "46.2"):
        assert f'<span class="study">{figure}</span>' in text
    assert "http" not in text  # it needs nothing from elsewhere
    row = next(r for r in page(out)["tables"]["documented"] if r["row"] == "run5")
    alone = row["cells"]["test"]["keyword alone"]["ours"]
    assert alone["n"] == 18  # three words by six test speakers
    assert alone["ci95"][0] <= alone["accuracy"] <= alone["ci95"][1]
    assert row["cells"]["validation"]["keyword mixed"]["study"] == 0.902
    assert row["cells"]["test"]["scene alone"]["ours"]["n"] == 2  # two seconds of fold 6


def test_the_page_compares_rows_and_frozen_heads(study):
    out, _ = study
    content = page(out)
    assert [claim["title"] for claim in content["claims"]["documented"]] == [
        "Mixing makes the keyword head robust",
        "Plain augmentation beats multitask",
        "Fine-tuning hurts under noise",
    ]
    assert [tuple(pair["rows"]) for pair in content["frozen_heads"]] == [
        (row, f"{row}, heads frozen") for row in TRAINED["frozen-heads"]
    ]
    low, high = content["frozen_heads"][0]["test mixed"]["ci95"]
    assert -1 <= low <= high <= 1


def test_the_scenes_own_folds_are_used_by_each_variant(study):
    out, _ = study
    lines = (out / "runs" / "as-run" / "run5" / "seed1" / "recipe.toml").read_text()
    assert 'folds = "as-run"' in lines
    assert (
        'folds = "documented"' in (out / "runs" / "documented" / "run5" / "seed1" / "recipe.toml").read_text()
    )


def test_frozen_heads_stay_as_they_were_and_trainable_ones_do_not(study):
    import keras

    out, _ = study
    weights = {}
    for variant in ("documented", "frozen-heads"):
        model = keras.models.load_model(
            out / "runs" / variant / "run5" / "seed1" / "model.keras", compile=False
        )
        weights[variant] = {layer.name: layer.get_weights() for layer in model.layers if layer.weights}
    # A dense layer's bias begins at zero.
    assert not weights["frozen-heads"]["keyword"][1].any()
    assert not weights["frozen-heads"]["scene_dense1"][1].any()
    assert weights["documented"]["keyword"][1].any()
    assert weights["frozen-heads"]["trunk_conv1"][1].any()


def test_fine_tuning_changes_the_heads_alone(study):
    import keras

    out, _ = study
    runs = out / "runs" / "documented"
    base, keyword, tuned = (
        keras.models.load_model(path / "model.keras", compile=False)
        for path in (
            runs / "run5" / "seed1",
            runs / "run8" / "seed1" / "keyword-head",
            runs / "run8" / "seed1",
        )
    )
    for layer in tuned.layers:
        before, after = base.get_layer(layer.name).get_weights(), layer.get_weights()
        same = all((a == b).all() for a, b in zip(before, after, strict=True))
        assert same == (layer.name.startswith("trunk") or not after), layer.name
    for layer in keyword.layers:
        if layer.weights and layer.name.startswith("scene"):
            assert (layer.get_weights()[0] == base.get_layer(layer.name).get_weights()[0]).all()


def test_a_second_call_trains_nothing_again(study, command):
    out, options = study
    models = {path: path.stat().st_mtime_ns for path in out.rglob("model.keras")}
    before = page(out)
    result = command("kws-train", "study", *options, "--only", "run5", "base-scd", "--variant", "documented")
    assert result.returncode == 0, result.stderr
    assert result.stderr.count("done before, with 1 epochs") == 2
    assert {path: path.stat().st_mtime_ns for path in out.rglob("model.keras")} == models
    assert page(out)["tables"] == before["tables"]


def test_a_row_cut_off_before_its_end_is_finished(study, command):
    out, options = study
    run = out / "runs" / "documented" / "run6" / "seed1"
    before, history = page(out), (run / "history.csv").read_bytes()
    (run / "metrics.json").unlink()
    (run / "evaluation.json").unlink()
    result = command("kws-train", "study", *options, "--only", "run6", "--variant", "documented")
    assert result.returncode == 0, result.stderr
    assert page(out)["tables"] == before["tables"]
    assert (run / "history.csv").read_bytes() == history


def test_a_run_is_judged_alone_and_mixed(study, command):
    out, options = study
    run = out / "runs" / "as-run" / "run4" / "seed1"
    result = command("kws-train", "evaluate", run, *options[:4], "--split", "test")
    assert result.returncode == 0, result.stderr
    rows = {line.split()[0]: line.split() for line in result.stdout.splitlines()[1:]}
    assert list(rows) == ["clean", "mel50:50", "snr20", "snr10", "snr5", "snr0", "snr-5"]
    assert int(rows["mel50:50"][2]) == int(rows["clean"][2]) == 18
    judged = json.loads((run / "evaluation.json").read_text())["test"]
    for name, row in rows.items():
        for entry in judged:
            if entry["set"] == name:
                assert float(row[1]) == pytest.approx(entry["keyword"]["accuracy"], abs=1e-4)


# A network that was trained for one epoch decides by chance.
ANYTHING = [
    part
    for limit in (
        "windows=1",
        "keyword_loss_points=100",
        "scene_loss_points=100",
        "int8_agreement=0",
        "formats_agreement=0",
    )
    for part in ("--limit", limit)
]


@pytest.mark.parametrize(
    ("row", "front_end", "keywords", "heads"),
    [
        ("as-run/run5", (80, True, 138), ("bed", "no", "yes"), ["keyword", "scene"]),
        ("documented/base-usd", (0, True, 101), (), ["scene"]),
    ],
)
def test_a_row_becomes_a_file_for_the_device(study, command, tmp_path, demo, row, front_end, keywords, heads):
    out, _ = study
    result = command("kws-export", out / "runs" / row / "seed1", "--out", tmp_path, *ANYTHING)
    assert result.returncode == 0, result.stderr
    manifest = model_file.read(tmp_path / "kws.tflite").manifest
    found = manifest.front_end
    assert (found.top_db, found.centred, found.frames) == front_end
    assert manifest.keywords == keywords
    assert list(manifest.labels) == heads
    report = json.loads((tmp_path / "export.json").read_text())
    assert list(report["parity"]["validation"]["int8_formats_agree"]["sound"]) == heads
    heard = command("kws-listen", "--model", tmp_path / "kws.tflite", "--file", demo / "demo.flac", "--json")
    assert heard.returncode == 0, heard.stderr
    assert json.loads(heard.stdout.splitlines()[-1])["decisions"] > 100


def test_what_cannot_be_run_is_refused_and_leaves_nothing(study, command, tmp_path):
    _, options = study
    data = options[:4]
    out = ("--out", tmp_path / "out")
    one_line_refusal(command("kws-train", "study", *data, *out, "--only", "run10"), "run10", "runx")
    one_line_refusal(command("kws-train", "study", *data, *out, "--seeds", 0), "--seeds 0")
    one_line_refusal(command("kws-train", "study", *data, *out, "--epochs", 0), "--epochs 0")
    one_line_refusal(command("kws-train", "study", *data[:2], *out), "--scenes")
    one_line_refusal(command("kws-train", "run5", *data[:2], *out), "trains on scenes", "--scenes")
    one_line_refusal(command("kws-train", "default", *data, *out, "--variant", "as-run"), "no variants")
    assert not (tmp_path / "out").exists()


@pytest.fixture
def copied(study, tmp_path):
    """The folders again, to be broken."""
    return synthetic_datasets.speech_commands(
        tmp_path / "speech", speakers=10
    ), synthetic_datasets.urbansound8k(tmp_path / "scenes")


def train(command, speech, scenes, tmp_path, *more):
    folders = (
        "--speech",
        speech,
        "--scenes",
        scenes,
        "--out",
        tmp_path / "run",
        "--cache",
        tmp_path / "cache",
    )
    return command("kws-train", "run5", *folders, "--epochs", 1, *more)


def test_a_clip_of_no_length_is_named(copied, command, tmp_path):
    import soundfile

    speech, scenes = copied
    clip = next(iter((speech / "yes").glob("*.wav")))
    soundfile.write(clip, [], 16000)
    one_line_refusal(train(command, speech, scenes, tmp_path), clip.name, "0 s")
    assert not (tmp_path / "run").exists()
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.name.startswith(".")]


def test_a_clip_missing_from_the_csvs_folder_is_named(copied, command, tmp_path):
    speech, scenes = copied
    clip = next(iter((scenes / "audio" / "fold3").glob("*.wav")))
    clip.unlink()
    one_line_refusal(train(command, speech, scenes, tmp_path), clip.name, "UrbanSound8K.csv")


def test_a_recording_in_two_splits_is_refused_or_named(copied, command, tmp_path):
    speech, scenes = copied
    table = scenes / "metadata" / "UrbanSound8K.csv"
    rows = list(csv.reader(table.open()))
    fold = rows[0].index("fold")
    train_row = next(row for row in rows[1:] if row[fold] == "1")
    test_row = next(row for row in rows[1:] if row[fold] == "6")
    test_row[rows[0].index("fsID")] = train_row[rows[0].index("fsID")]
    with table.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    source = train_row[rows[0].index("fsID")]
    one_line_refusal(train(command, speech, scenes, tmp_path), source, "train and test", "data.allow_leaks")
    allowed = train(command, speech, scenes, tmp_path, "--set", "data.allow_leaks=true")
    assert allowed.returncode == 0, allowed.stderr
    assert f"warning: {scenes}: 1 sources are in two splits" in allowed.stderr
