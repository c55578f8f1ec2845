"""The files in the folder of a run, and how they are read."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import platform
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kws_device import InputError
from kws_device._support import atomic
from kws_device._support.schema import json_text
from kws_device.model import model_file
from kws_device.model.manifest import Manifest
from kws_device.model.manifest_json import parse, to_json

from ..data.corpus import FOLDER_KINDS, Folders
from ..recipes.format import Format, to_toml
from ..recipes.parts import RunRecipe

if TYPE_CHECKING:
    import keras

MODEL = "model.keras"
CHECKPOINT = "checkpoint.keras"
MANIFEST = "manifest.json"
RECIPE = "recipe.toml"
FOLDERS = "folders.json"
HISTORY = "history.csv"
METRICS = "metrics.json"
TEACHER = "teacher.json"


def check_folder(out: Path, recipe: object, before: Format[Any], resume: bool, *more: str) -> None:
    """Hold a run's folder against the training that is to begin, or to go on.

    Args:
        out: the folder.
        recipe: of the training.
        before: how the recipe of a run in the folder is read.
        resume: whether to go on with that run.
        more: names of files that are a finished run, too.

    Raises:
        InputError: `out` holds a run already, or not the one to be resumed.
    """
    if resume:
        if not (out / CHECKPOINT).is_file():
            raise InputError(f"{out}: no {CHECKPOINT} to resume from; leave out --resume")
        if before.of_run(out / RECIPE) != recipe:
            raise InputError(f"{out}: its run has another recipe; give the same options or another --out")
    elif any((out / name).exists() for name in (MODEL, CHECKPOINT, *more)):
        raise InputError(f"{out}: holds a run already; give --resume or another --out")


def check_same_teacher(out: Path, teacher: Path | None) -> None:
    """Raises InputError where a run that is to be resumed learned from another teacher, or from none."""
    before = (out / TEACHER).read_text(encoding="utf-8") if (out / TEACHER).is_file() else None
    if before != (None if teacher is None else _teacher(teacher)):
        raise InputError(f"{out}: its run had another teacher; give the same --teacher or another --out")


def remember_teacher(out: Path, teacher: Path | None) -> None:
    """Write down which model a run learns from, for whoever resumes or repeats it."""
    if teacher is not None:
        atomic.write_text(out / TEACHER, _teacher(teacher))


def _teacher(teacher: Path) -> str:
    if teacher.is_dir():
        kind, named, model = "run", teacher, teacher / MODEL
    else:
        kind, named = "file", model_file.find(teacher)
        model = named
    digest = hashlib.sha256(model.read_bytes()).hexdigest()
    return json_text({kind: named.name, "model_sha256": digest}, indent=1) + "\n"


def begin(out: Path, recipe: RunRecipe, folders: Folders, manifest: Manifest) -> None:
    """Write down what explains a run: recipe, data, environment and manifest."""
    atomic.write_text(out / RECIPE, to_toml(recipe))
    remember_folders(out, folders)
    atomic.write_text(out / "environment.txt", environment())
    atomic.write_text(out / MANIFEST, to_json(manifest))


def remember_folders(out: Path, folders: Folders) -> None:
    """Write down where the run's data lies, for kws-export."""
    found = {
        name: [str(each.resolve()) for each in value] if isinstance(value, tuple) else str(value.resolve())
        for name, value in vars(folders).items()
        if value
    }
    atomic.write_text(out / FOLDERS, json_text(found, indent=1) + "\n")


def load_keras(path: Path, with_optimizer: bool = False) -> keras.Model:
    """A Keras model from its file, nothing executable in it. Raises InputError where that fails."""
    import keras

    if not path.is_file():
        raise InputError(f"{path}: no such model; train it first")
    try:
        return keras.models.load_model(path, safe_mode=True, compile=with_optimizer)
    except (ValueError, OSError, TypeError) as error:
        raise InputError(f"{path}: not a model that can be loaded ({error}); train it again") from error


def is_finished(run: Path) -> bool:
    """Whether a run came to its end."""
    return (run / METRICS).is_file()


def read_manifest(run: Path) -> Manifest:
    """The manifest of a run, as training knows it.

    Raises:
        InputError: the folder is no run, or has no model yet.
    """
    if not (run / RECIPE).is_file() or not (run / MANIFEST).is_file():
        raise InputError(f"{run}: not a run of kws-train; name the folder that was its --out")
    if not (run / MODEL).is_file():
        raise InputError(f"{run}: has no {MODEL} yet; let kws-train finish an epoch")
    return parse((run / MANIFEST).read_bytes(), str(run / MANIFEST))


def recall_folders(run: Path, **given: Path | None) -> Folders:
    """The data folders of a run, those given taking the place of the remembered ones.

    Of mined sound, which is not needed to judge or convert a run, only what is still there.

    Args:
        run: its folder.
        given: where the data lies now, by kind; None: where it was.

    Raises:
        InputError: what the run remembers cannot be read, or a folder is not where it was.
    """
    path = run / FOLDERS
    try:
        remembered = json.loads(path.read_text(encoding="utf-8"))
        chosen = {kind: Path(folder) for kind, folder in remembered.items() if kind in FOLDER_KINDS}
        hard = tuple(folder for folder in map(Path, remembered.get("hard", ())) if folder.is_dir())
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); name another run") from error
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"{path}: does not say where the data lies ({error}); train again") from error
    chosen |= {kind: folder for kind, folder in given.items() if folder is not None}
    for kind, folder in chosen.items():
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder, where the {kind} were; give --{kind} DIR")
    return Folders(**chosen, hard=hard)


def versions() -> dict[str, str]:
    """Of Python and the packages that shape a model."""
    found = {"python": platform.python_version()}
    for package in ("kws-device", "kws-training", "keras", "tensorflow", "jax", "torch", "numpy", "soxr"):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def processor() -> str:
    """The processor's name where the system tells it."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown processor"


def environment() -> str:
    """Platform, backend and every installed package, a line each."""
    import keras

    packages = sorted({f"{d.metadata['Name']}=={d.version}" for d in metadata.distributions()}, key=str.lower)
    return "\n".join([platform.platform(), f"keras backend: {keras.backend.backend()}", *packages, ""])


def read_history(path: Path) -> list[dict[str, float]]:
    """Losses, accuracies and learning rate of each finished epoch."""
    with path.open(newline="", encoding="utf-8") as file:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]


def write_history(path: Path, rows: list[dict[str, float]]) -> None:
    """The reverse of `read_history`; whole or not at all."""
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0].keys(), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    atomic.write_text(path, text.getvalue())
