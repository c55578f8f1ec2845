"""A run: from a recipe and folders of data to a folder with the trained model and all that explains it."""

from __future__ import annotations

import csv
import io
import json
import platform
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from kws_device import atomic
from kws_device.errors import InputError
from kws_device.front_end import Normalisation
from kws_device.manifest import (
    KEYWORD_HEAD,
    SCENE_HEAD,
    SCHEMA,
    SILENCE,
    UNKNOWN,
    DecoderConfig,
    Head,
    Manifest,
    Source,
    parse,
    to_json,
)
from kws_device.strict import plain

from . import recipe as recipes
from .corpus import Corpus, Folders, keyword_labels, load_corpus, provenance
from .evaluation import EvaluationSet, Material, Predict, clean_set, judge_set, material, waveform_set
from .examples import Examples
from .recipe import Recipe

if TYPE_CHECKING:
    import keras

MODEL = "model.keras"
CHECKPOINT = "checkpoint.keras"
MANIFEST = "manifest.json"
RECIPE = "recipe.toml"
FOLDERS = "folders.json"
HISTORY = "history.csv"
METRICS = "metrics.json"
SNRS_DB = (20.0, 10.0, 5.0, 0.0, -5.0)

_STATISTICS_WINDOWS = 4096
# Streams of random numbers that must not meet those of the epochs, which start at 0.
_STATISTICS_STREAM = 1 << 30
_VALIDATION_SNR_DB = 5.0


def train(
    recipe: Recipe, folders: Folders, out: Path, resume: bool = False, start_from: Path | None = None
) -> Path:
    """Train a recipe; the run's folder gets the recipe, the model, history, metrics and plots.

    Args:
        recipe: fully resolved.
        folders: where the data lies.
        out: the run's folder; must not hold another run unless resumed.
        resume: go on after the last finished epoch of the run in `out`.
        start_from: a run whose weights to start from, where names and shapes agree.

    Returns:
        the path of the best model.

    Raises:
        InputError: data, recipe or folder that do not fit; nothing is written then.
    """
    _check_run_folder(out, recipe, resume)
    front_end = recipe.front_end
    corpus = load_corpus(folders, recipe.keywords, front_end.sample_rate_hz, "train")
    examples = Examples(corpus, recipe)
    heads = {KEYWORD_HEAD: keyword_labels(recipe), SCENE_HEAD: tuple(examples.scene_labels)}
    sizes = {name: len(labels) for name, labels in heads.items()}
    validation_corpus = load_corpus(folders, recipe.keywords, front_end.sample_rate_hz, "validation")
    held_out = material(validation_corpus, front_end.clip_samples)

    # Heavy, and noisy on standard error: only once all input is known to be good.
    import keras

    from .batches import Batches, validation_arrays
    from .network import residual_network

    keras.utils.set_random_seed(recipe.seed)
    atomic.write_text(out / RECIPE, recipes.to_toml(recipe))
    atomic.write_text(out / FOLDERS, json.dumps(_resolved(folders), indent=1))
    atomic.write_text(out / "environment.txt", environment())
    manifest = first_manifest(recipe, folders, heads, statistics(examples, recipe))
    atomic.write_text(out / MANIFEST, to_json(manifest))

    rows = _read_history(out / HISTORY) if resume else []
    batches = Batches(examples, recipe, manifest.normalisation, sizes, epoch=len(rows))
    if rows:
        model = _load(out / CHECKPOINT)
    else:
        model = residual_network(front_end, recipe.model, sizes)
        if start_from is not None:
            _take_weights(model, _load(start_from / MODEL))
        _compile(model, recipe, len(batches))
    checks = [
        clean_set(held_out, front_end.clip_samples),
        waveform_set(
            held_out.words,
            backgrounds(validation_corpus, "scenes"),
            "scenes",
            _VALIDATION_SNR_DB,
            front_end.clip_samples,
            recipe.seed,
        ),
    ]
    validation = validation_arrays(checks, heads, examples, manifest.normalisation)
    model.fit(
        batches,
        epochs=recipe.optimisation.epochs,
        initial_epoch=len(rows),
        validation_data=validation,
        validation_batch_size=256,
        verbose=0,
        callbacks=[_recorder(out, rows, recipe)],
    )
    _finish(out, manifest, held_out, validation_corpus, _read_history(out / HISTORY))
    return out / MODEL


def _check_run_folder(out: Path, recipe: Recipe, resume: bool) -> None:
    if resume:
        if not (out / CHECKPOINT).is_file():
            raise InputError(f"{out}: no {CHECKPOINT} to resume from; leave out --resume")
        if recipes.load(str(out / RECIPE)) != recipe:
            raise InputError(f"{out}: its run has another recipe; give the same options or another --out")
    elif (out / RECIPE).exists():
        raise InputError(f"{out}: holds a run already; give --resume or another --out")


def _resolved(folders: Folders) -> dict[str, str]:
    return {
        name: str(Path(folder).resolve()) for name, folder in plain(folders).items() if folder is not None
    }


def _load(path: Path) -> keras.Model:
    import keras

    if not path.is_file():
        raise InputError(f"{path}: no such model; train it first")
    try:
        return keras.models.load_model(path, safe_mode=True)
    except (ValueError, OSError, TypeError) as error:
        raise InputError(f"{path}: not a model that can be loaded ({error}); train it again") from error


def read_run(run: Path) -> tuple[Recipe, Manifest]:
    """A run's recipe and its manifest, as training knows it.

    Raises:
        InputError: the folder is no run, or has no model yet.
    """
    if not (run / RECIPE).is_file() or not (run / MANIFEST).is_file():
        raise InputError(f"{run}: not a run of kws-train; name the folder that was its --out")
    if not (run / MODEL).is_file():
        raise InputError(f"{run}: has no {MODEL} yet; let kws-train finish an epoch")
    manifest = parse((run / MANIFEST).read_bytes(), str(run / MANIFEST))
    return recipes.load(str(run / RECIPE)), manifest


def load_model(run: Path) -> keras.Model:
    """A run's best Keras model. Raises InputError where it cannot be loaded."""
    return _load(run / MODEL)


def run_folders(run: Path, **given: Path | None) -> Folders:
    """The data folders of a run, those given taking the place of the remembered ones."""
    remembered = json.loads((run / FOLDERS).read_text(encoding="utf-8"))
    chosen = {name: Path(folder) for name, folder in remembered.items()}
    chosen |= {name: folder for name, folder in given.items() if folder is not None}
    return Folders(**chosen)


def _take_weights(model: keras.Model, donor: keras.Model) -> None:
    donors = {layer.name: layer for layer in donor.layers}
    for layer in model.layers:
        other = donors.get(layer.name)
        if other and [w.shape for w in layer.weights] == [w.shape for w in other.weights]:
            layer.set_weights(other.get_weights())


def _compile(model: keras.Model, recipe: Recipe, steps: int) -> None:
    import keras

    plan = recipe.optimisation
    warmup = round(plan.warmup_share * plan.epochs * steps)
    rate = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0,
        decay_steps=plan.epochs * steps - warmup,
        warmup_target=plan.learning_rate,
        warmup_steps=warmup,
    )
    model.compile(
        keras.optimizers.AdamW(rate, weight_decay=plan.weight_decay),
        loss={
            KEYWORD_HEAD: keras.losses.CategoricalCrossentropy(label_smoothing=plan.label_smoothing),
            SCENE_HEAD: keras.losses.CategoricalCrossentropy(),
        },
        loss_weights={KEYWORD_HEAD: 1.0, SCENE_HEAD: plan.scene_loss_weight},
        weighted_metrics={KEYWORD_HEAD: ["accuracy"], SCENE_HEAD: ["accuracy"]},
    )


def statistics(examples: Examples, recipe: Recipe) -> Normalisation:
    """Mean and standard deviation of each mel band over training windows."""
    rng = np.random.default_rng([recipe.seed, _STATISTICS_STREAM])
    plan = examples.plan(rng)[:_STATISTICS_WINDOWS]
    mels = np.concatenate(
        [examples.mels(examples.draw(plan[i : i + 256], rng)[0]) for i in range(0, len(plan), 256)]
    ).reshape(-1, recipe.front_end.mels)
    return Normalisation(
        tuple(round(float(m), 4) for m in mels.mean(axis=0, dtype=np.float64)),
        tuple(round(float(s), 4) for s in mels.std(axis=0, dtype=np.float64)),
    )


def first_manifest(
    recipe: Recipe, folders: Folders, heads: dict[str, tuple[str, ...]], normalisation: Normalisation
) -> Manifest:
    """The manifest as training knows it; export adds metrics and the hash."""
    decoder = recipe.decoder
    smoothing = {KEYWORD_HEAD: decoder.keyword_smoothing_s, SCENE_HEAD: decoder.scene_smoothing_s}
    quiet = {KEYWORD_HEAD: (UNKNOWN, SILENCE), SCENE_HEAD: ()}
    return Manifest(
        schema=SCHEMA,
        name=recipe.name,
        front_end=recipe.front_end,
        normalisation=normalisation,
        heads=tuple(Head(name, labels, quiet[name], smoothing[name]) for name, labels in heads.items()),
        decoder=DecoderConfig(
            decision_ms=decoder.decision_ms,
            refractory_s=decoder.refractory_s,
            thresholds=dict.fromkeys(recipe.keywords, decoder.threshold),
            false_accepts_per_hour=None,
        ),
        sources=tuple(Source(name, licence) for name, licence in provenance(folders, recipe)),
        recipe=plain(recipe),
        metrics={},
        versions=versions(),
        hash="",
    )


def versions() -> dict[str, str]:
    """Of Python and the packages that shape a model."""
    found = {"python": platform.python_version()}
    for package in ("kws-device", "kws-training", "keras", "tensorflow", "jax", "torch", "numpy", "soxr"):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def environment() -> str:
    """Platform, backend and every installed package, a line each."""
    import keras

    packages = sorted({f"{d.metadata['Name']}=={d.version}" for d in metadata.distributions()}, key=str.lower)
    return "\n".join([platform.platform(), f"keras backend: {keras.backend.backend()}", *packages, ""])


def backgrounds(corpus: Corpus, kind: str) -> Sequence[tuple[NDArray[np.float32], str | None]]:
    """A split's scenes with their labels, or its noise without."""
    if kind == "scenes":
        return [(recording.samples, recording.label) for recording in corpus.scenes]
    return [(samples, None) for samples in corpus.noise]


def _read_history(path: Path) -> list[dict[str, float]]:
    with path.open(newline="", encoding="utf-8") as file:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]


def _write_history(path: Path, rows: list[dict[str, float]]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0].keys(), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    atomic.write_text(path, text.getvalue())


def _recorder(out: Path, rows: list[dict[str, float]], recipe: Recipe) -> keras.callbacks.Callback:
    """Progress bar, history, best model and checkpoint."""
    import keras

    best = "val_keyword_accuracy"
    epochs, seed = recipe.optimisation.epochs, recipe.seed

    class Recorder(keras.callbacks.Callback):  # type: ignore[misc]
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            # Keras does not save the state of dropout's generators; a function of the epoch needs no saving.
            for layer in self.model.layers:
                if isinstance(layer, keras.layers.Dropout):
                    layer.seed_generator.state.assign([seed, epoch])
            self._bar = tqdm(total=self.params["steps"], desc=f"epoch {epoch + 1}/{epochs}", leave=False)

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self._bar.update()

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self._bar.close()
            rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
            row = {"epoch": float(epoch + 1), "learning_rate": rate}
            row |= {key: float(value) for key, value in sorted((logs or {}).items())}
            earlier = max((r[best] for r in rows), default=-1.0)
            rows.append(row)
            if row[best] >= earlier:
                with atomic.replacing(out / MODEL) as temporary:
                    self.model.save(temporary)
            with atomic.replacing(out / CHECKPOINT) as temporary:
                self.model.save(temporary)
            # Last, since its length says how many epochs are safe on the disk.
            _write_history(out / HISTORY, rows)
            tqdm.write(
                f"epoch {epoch + 1}/{epochs}: loss {row['loss']:.3f}, validation keyword "
                f"{row['val_keyword_accuracy']:.4f}, scene {row['val_scene_accuracy']:.4f}"
            )

    return Recorder()


def predictor(model: keras.Model, normalisation: Normalisation) -> Predict:
    """A Keras model as the function that evaluation asks."""

    def predict(mels: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        answers = model.predict_on_batch(normalisation.apply(mels))
        return {head: np.asarray(scores) for head, scores in answers.items()}

    return predict


def evaluation_sets(data: Material, corpus: Corpus, length: int, seed: int) -> list[EvaluationSet]:
    """Clean, and scenes at each signal-to-noise ratio."""
    mixed = backgrounds(corpus, "scenes")
    return [
        clean_set(data, length),
        *(waveform_set(data.words, mixed, "scenes", snr_db, length, seed) for snr_db in SNRS_DB),
    ]


def _finish(
    out: Path, manifest: Manifest, held_out: Material, corpus: Corpus, rows: list[dict[str, float]]
) -> None:
    from . import plots

    sets = evaluation_sets(held_out, corpus, manifest.front_end.clip_samples, manifest.recipe["seed"])
    labels = {head.name: head.labels for head in manifest.heads}
    predict = predictor(_load(out / MODEL), manifest.normalisation)
    judged = [(set_, judge_set(set_, labels, manifest.front_end, predict)) for set_ in sets]
    report = [
        {
            "kind": set_.kind,
            "with": set_.background,
            "snr_db": set_.snr_db,
            **{head: {"accuracy": j.accuracy, "n": len(j.items)} for head, j in answers.items()},
        }
        for set_, answers in judged
    ]
    atomic.write_text(out / METRICS, json.dumps({"validation": report}, indent=1))
    plots.learning_curves(rows, out / "plots" / "learning_curves.png")
    for head, judgement in judged[0][1].items():
        plots.confusion(judgement, labels[head], out / "plots" / f"confusion_{head}.png")
