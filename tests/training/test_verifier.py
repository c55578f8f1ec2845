"""kws-train verifier: its windows, its calibration, its first weights, and a whole run."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from kws_device import InputError
from kws_device.front_end import log_mel
from kws_device.model import model_file
from kws_device.model.manifest_parts import ArmingConfig, VerifierConfig
from kws_training.data.corpus import Recording
from kws_training.data.layouts import Clip
from kws_training.data.mined import Mined, Stretch, write_table
from kws_training.recipes.format import to_toml
from kws_training.schemes.verifier import settings
from kws_training.schemes.verifier.calibration import platt, shown_rate
from kws_training.schemes.verifier.examples import REFUSED, Examples
from kws_training.schemes.verifier.placement import Kind, between_pauses
from kws_training.schemes.verifier.recipe import FORMAT
from kws_training.schemes.verifier.sound import SoundFolders, Sounds, of_split
from kws_training.schemes.verifier.validation import threshold

RATE = 16000
RECIPE = FORMAT.load("verifier")
LABELS = (*RECIPE.keywords, REFUSED)
QUIET = replace(
    RECIPE.augmentation,
    speed=0.0,
    reverb_prob=0.0,
    clean_prob=1.0,
    noisy_speech_prob=0.0,
    gain_db=0.0,
    clipping_prob=0.0,
)


def tone(hz: float, seconds: float) -> np.ndarray:
    return (0.3 * np.sin(2 * np.pi * hz * np.arange(round(seconds * RATE)) / RATE)).astype(np.float32)


def said(word: str, hz: float) -> Recording:
    clip = np.zeros(RATE, np.float32)
    clip[4000:12000] = tone(hz, 0.5)
    return Recording(clip, word, Clip(Path(word) / "a.wav", word, "train", "a"))


@pytest.fixture
def sounds() -> Sounds:
    """A keyword at 1 kHz, another word at 2 kHz, talk at 500 Hz, all of them tones."""
    stretch = Stretch(np.arange(4 * RATE, dtype=np.float32), 3 * RATE, "yes", 0.5, "talk.wav")
    return Sounds([said("yes", 1000), said("bed", 2000)], [], [tone(500, 10)], [tone(100, 10)], [stretch])


def loud(window: np.ndarray) -> np.ndarray:
    """Where there is sound, by steps of 10 ms."""
    return np.sqrt(np.square(window.reshape(-1, 160)).mean(axis=1)) > 0.01


def draw(sounds: Sounds, kind: Kind, n: int = 20, **placement: float):
    recipe = replace(
        RECIPE, augmentation=QUIET, placement=replace(RECIPE.placement, context_prob=0.0, **placement)
    )
    return Examples(sounds, recipe).draw(np.full(n, kind), np.random.default_rng(0))


def test_a_keyword_ends_shortly_before_the_window_and_is_its_label(sounds):
    windows, labels = draw(sounds, Kind.KEYWORD)
    assert set(labels) == {RECIPE.keywords.index("yes")}
    for window in windows:
        behind_s = (len(window) / 160 - np.flatnonzero(loud(window))[-1]) / 100
        assert RECIPE.placement.behind_min_s - 0.05 <= behind_s <= RECIPE.placement.behind_max_s + 0.05


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind != Kind.KEYWORD])
def test_all_else_is_refused(sounds, kind):
    _, labels = draw(sounds, kind)
    assert set(labels) == {len(RECIPE.keywords)}


def test_in_a_sentence_a_keyword_has_talk_beside_it_without_a_pause(sounds):
    windows, _ = draw(sounds, Kind.SENTENCE, gap_s=0.05)
    for window in windows:
        heard = np.flatnonzero(loud(window))
        assert len(heard) > 75, "a word of half a second and talk"
        assert np.diff(heard).max() <= 12, "no pause between them"


def test_what_was_said_before_a_word_that_stands_alone_ends_a_pause_earlier(sounds):
    recipe = replace(
        RECIPE, augmentation=QUIET, placement=replace(RECIPE.placement, context_prob=1.0, pause_s=0.4)
    )
    windows, _ = Examples(sounds, recipe).draw(np.full(20, Kind.KEYWORD), np.random.default_rng(0))
    for window in windows:
        heard = np.flatnonzero(loud(window))
        assert np.diff(heard).max() >= 35


def test_a_fragment_is_shorter_than_the_word(sounds):
    windows, _ = draw(sounds, Kind.FRAGMENT)
    assert max(loud(window).sum() for window in windows) < 45


def test_a_mined_stretch_is_seen_about_the_delay_behind_its_candidate(sounds):
    windows, _ = draw(sounds, Kind.HARD)
    ends = np.array([window.max() / RATE for window in windows]) - 3
    delay_s = RECIPE.look.delay_ms / 1000
    assert delay_s - 0.11 <= ends.min() < ends.max() <= delay_s + 0.21


def test_an_epoch_has_the_shares_of_its_recipe(sounds):
    plan = Examples(sounds, RECIPE).plan(np.random.default_rng(0))
    assert len(plan) == RECIPE.epoch.windows
    assert (plan == Kind.HARD).mean() == pytest.approx(RECIPE.epoch.hard_share, abs=1e-3)
    without = Examples(replace(sounds, hard=[]), RECIPE).plan(np.random.default_rng(0))
    assert len(without) == len(plan)
    assert not (without == Kind.HARD).any()


def test_words_that_are_left_out_train_nothing(sounds):
    with_on = replace(sounds, words=[*sounds.words, said("on", 3000)])
    mels = log_mel(draw(with_on, Kind.OTHER, 40)[0], RECIPE.stretch)
    assert mels.shape[1:] == (238, 40)
    rising = np.abs(np.fft.rfft(draw(with_on, Kind.OTHER, 40)[0], axis=1)).sum(axis=0)
    hz = np.fft.rfftfreq(round(2.4 * RATE), 1 / RATE)
    assert rising[np.abs(hz - 3000) < 5].max() < rising[np.abs(hz - 2000) < 5].max() / 100


def test_a_piece_of_speech_is_cut_in_its_pauses():
    speech = tone(300, 0.9)
    speech[2400:3200] = 0
    speech[12000:12800] = 0
    piece = between_pauses(speech)
    assert 0.5 < len(piece) / RATE < 0.62


def test_thresholds_let_through_what_the_rate_allows():
    false = np.array([3.0, 1.0, 2.0, -1.0])
    assert (false > threshold(false, hours=2.0, rate_per_hour=1.0)).sum() == 2
    assert (false > threshold(false, hours=0.5, rate_per_hour=1.0)).sum() == 0
    assert (false > threshold(false, hours=9.0, rate_per_hour=1.0)).sum() == 4


def test_calibrated_scores_are_shares_of_what_is_right():
    rng = np.random.default_rng(0)
    truth = rng.normal(0, 2, 20000)
    right = rng.random(len(truth)) < 1 / (1 + np.exp(-truth))
    log_odds = (truth - 0.7) / 1.6
    scale, offset = platt(log_odds[right], log_odds[~right])
    assert scale == pytest.approx(1.6, abs=0.1)
    assert offset == pytest.approx(0.7, abs=0.1)


def test_a_rate_that_so_few_hours_cannot_show_is_told(capsys):
    assert shown_rate(2.0, 0.5) == 0.5
    assert capsys.readouterr().err == ""
    assert shown_rate(0.5, 0.1) == 2.0
    assert "it takes 10.0 h, and 30.0 h to bound it" in capsys.readouterr().err
    with pytest.raises(InputError, match="must be above zero"):
        shown_rate(0.0, 1.0)


def test_a_mined_folder_of_test_sound_is_refused(tmp_path):
    (tmp_path / "mined.json").write_text(
        json.dumps({"sample_rate_hz": RATE, "keywords": ["yes"], "split": "test", "hours": 1})
    )
    with pytest.raises(InputError, match="mined from the split test"):
        of_split([tmp_path], "train")


def test_a_recipe_of_another_scheme_is_refused(tmp_path):
    path = tmp_path / "other.toml"
    path.write_text(to_toml(RECIPE).replace('scheme = "verifier"', 'scheme = "waveform"'))
    with pytest.raises(InputError, match="scheme 'waveform' is not verifier"):
        FORMAT.load(str(path))


def test_a_recipe_reads_back_what_it_wrote(tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text(to_toml(RECIPE))
    assert FORMAT.load(str(path)) == RECIPE


def test_it_starts_with_the_convolutions_of_its_first_network(tmp_path):
    keras = pytest.importorskip("keras")
    pytest.importorskip("onnx")
    from kws_training.schemes.verifier.network import verifier_network
    from kws_training.schemes.verifier.start import take_start

    shipped = model_file.read(model_file.find(None).with_name("kws-float.onnx"))
    first = tmp_path / "first.onnx"
    model_file.write(first, shipped.model, shipped.manifest.without_verifier())
    network = verifier_network(RECIPE.front_end, RECIPE.model, 10)
    take_start(network, first, LABELS)
    # With the first network's window, uniform weights over time and its own head it is the first network.
    places = network.get_layer("places")
    places.set_weights([np.full(places.kernel.shape, 1 / places.kernel.shape[0], np.float32)])
    features = keras.Model(network.input, places.output)
    window = np.random.default_rng(0).normal(size=(1, 98, 40)).astype(np.float32)
    pooled = keras.ops.convert_to_numpy(features(window)).reshape(-1, 2)[:, 0]
    assert _answers(first, window) == pytest.approx(_head(first, pooled), abs=1e-3)


def _answers(first: Path, window: np.ndarray) -> np.ndarray:
    import onnxruntime

    session = onnxruntime.InferenceSession(first.read_bytes())
    return session.run(["keyword"], {"mels": window})[0].ravel()


def _head(first: Path, features: np.ndarray) -> np.ndarray:
    """The keyword head of the first network for its pooled features."""
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(first).graph
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    node = next(node for node in graph.node if "keyword" in node.output)
    kernel, bias = (constants[name] for name in node.input[1:])
    return features @ kernel + bias


def test_a_start_of_other_widths_is_refused():
    pytest.importorskip("keras")
    pytest.importorskip("onnx")
    from kws_training.schemes.verifier.network import verifier_network
    from kws_training.schemes.verifier.start import take_start

    network = verifier_network(RECIPE.front_end, replace(RECIPE.model, channels=24), 9)
    with pytest.raises(InputError, match="has no convolution like"):
        take_start(network, Path("kws-float"), LABELS)


@pytest.fixture
def folders(tmp_path) -> SoundFolders:
    """Tones as the shipped model's words by ten speakers, and mined stretches of both splits."""
    rng = np.random.default_rng(0)
    speech = tmp_path / "speech"
    lists: dict[int, list[str]] = {3: [], 4: []}
    for i, word in enumerate((*RECIPE.keywords, "bed")):
        (speech / word).mkdir(parents=True)
        for speaker in range(10):
            name = f"{word}/{speaker:08x}_nohash_0.wav"
            soundfile.write(
                speech / name, said(word, 300 + 200 * i).samples + rng.normal(0, 1e-3, RATE), RATE
            )
            lists.get(speaker % 5, []).append(name)
    (speech / "validation_list.txt").write_text("\n".join(lists[3]) + "\n")
    (speech / "testing_list.txt").write_text("\n".join(lists[4]) + "\n")
    (speech / "_background_noise_").mkdir()
    soundfile.write(speech / "_background_noise_" / "noise.wav", rng.normal(0, 0.01, 20 * RATE), RATE)
    mined = []
    for split in ("train", "validation"):
        folder = tmp_path / split
        (folder / "stretches").mkdir(parents=True)
        soundfile.write(folder / "stretches" / "0.wav", rng.normal(0, 0.1, 4 * RATE), RATE)
        row = Mined("talk/a.wav", 9.0, "go", 0.5, 9.0, split, "stretches/0.wav", 3.0)
        write_table(folder, [row])
        summary = {"sample_rate_hz": RATE, "keywords": RECIPE.keywords, "split": split, "hours": 2.0}
        (folder / "mined.json").write_text(json.dumps(summary))
        mined.append(folder)
    return SoundFolders(speech, hard=tuple(mined))


SMALL = {
    "model.stem": 4,
    "model.planes": [4],
    "model.channels": 8,
    "model.blocks": 1,
    "epoch.windows": 64,
    "epoch.cached_epochs": 1,
    "optimisation.batch_size": 16,
}


def test_a_run_has_what_an_export_takes_and_goes_on_where_it_stopped(folders, tmp_path, monkeypatch):
    keras = pytest.importorskip("keras")
    from kws_training.schemes.verifier import validation
    from kws_training.schemes.verifier.train import train_verifier

    monkeypatch.setattr(validation, "_WORDS", 10)
    recipe = FORMAT.load("verifier", {**SMALL, "optimisation.epochs": 2})
    whole = train_verifier(recipe, None, folders, tmp_path / "whole")
    run = settings.read(whole.parent)
    assert run.verifier.labels == LABELS
    assert run.metrics["false_candidates"] == 1
    assert run.metrics["keywords"] == 10
    first = model_file.read(model_file.find(None)).manifest
    assert run.manifest(first, softmax=True).verifier.looks == 1
    rules = ArmingConfig("yes", 5.0, ("no", "go"), {"go": 0.4})
    added = run.manifest(first.with_arming(rules), softmax=True)
    assert (added.verifier.looks, added.arming) == (1, replace(rules, thresholds={}))
    with np.load(whole.parent / settings.WINDOWS) as content:
        assert content["windows"].shape == (64, 238, 40)

    stopped = tmp_path / "stopped"
    shutil.copytree(whole.parent, stopped)
    one = keras.models.load_model(stopped / "checkpoint.keras")
    assert int(one.optimizer.iterations) == 8
    with pytest.raises(InputError, match="holds a run already"):
        train_verifier(recipe, None, folders, stopped)
    again = train_verifier(recipe, None, folders, stopped, resume=True)
    assert settings.read(again.parent) == run


def test_a_first_network_with_other_words_is_refused(folders, tmp_path):
    from kws_training.schemes.verifier.train import train_verifier

    recipe = FORMAT.load("verifier", {"keywords": ["yes", "no"]})
    with pytest.raises(InputError, match="the recipe is for yes, no"):
        train_verifier(recipe, None, folders, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_settings_of_an_earlier_version_are_read_as_they_were_meant(tmp_path):
    keywords = RECIPE.keywords
    verifier = VerifierConfig(
        2400.0, 500.0, 1, (*keywords, "_refused_"), False, dict.fromkeys(keywords, 0.3), 0.2, 1.5, -0.5, ""
    )
    new = settings.Settings("abc", verifier, 0.1, dict.fromkeys(keywords, 0.5), 1.0, (), {}, {})
    settings.write(new, tmp_path)
    assert settings.read(tmp_path) == new
    data = json.loads((tmp_path / settings.SETTINGS).read_text())
    flat = data.pop("verifier")
    data |= {key: value for key, value in flat.items() if key not in ("softmax", "sha256")}
    (tmp_path / settings.SETTINGS).write_text(json.dumps(data))
    assert settings.read(tmp_path) == new
