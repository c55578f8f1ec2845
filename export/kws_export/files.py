"""The files of an export, written into their folder all or none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from kws_device import InputError
from kws_device._support import atomic

INT8, INT8_ONNX = "kws.tflite", "kws.onnx"
FLOAT, FLOAT_ONNX = "kws-float.tflite", "kws-float.onnx"
REPORT, FIGURES = "export.json", "export.md"
LAYERS, LAYERS_PAGE, LAYERS_PICTURE = "layers.json", "layers.html", "layers.png"

_TEMPORARY = ".export-"
_OPTIONAL = (LAYERS, LAYERS_PAGE, LAYERS_PICTURE)


def check_names(models: Sequence[Path]) -> None:
    """Raises InputError where two model files would be written under the same name."""
    if len({path.name for path in models}) < len(models):
        raise InputError("two of the model files have the same name; give each once")


@contextmanager
def all_or_nothing(out: Path) -> Iterator[Path]:
    """A temporary folder whose files move to `out` when the block ends well; else all is as it was before.

    Raises:
        InputError: the folder cannot be written; said before the block begins.
    """
    with atomic.making(out):
        with _writing(out):
            atomic.clear_abandoned(out, f"{_TEMPORARY}*")
            temporary = TemporaryDirectory(prefix=_TEMPORARY, dir=out)
        with temporary as name:
            yield Path(name)
            with _writing(out):
                _move(Path(name), out)


@contextmanager
def _writing(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(f"{out}: cannot be written ({error.strerror}); choose another folder") from error


def _move(folder: Path, out: Path) -> None:
    """What an earlier export left and this one does not have would be about another model."""
    for name in _OPTIONAL:
        if not (folder / name).exists():
            (out / name).unlink(missing_ok=True)
    for path in folder.iterdir():
        path.replace(out / path.name)
