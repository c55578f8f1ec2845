"""The schemes that the commands support, and the scheme of a recipe or run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kws_device import InputError

from ..evaluation.scheme import Scheme, TrainedRun
from ..loop import runs
from ..recipes.format import find, read_table, shipped
from ..recipes.parts import RunRecipe
from ..schemes.kit.scheme import KIT
from ..schemes.study.recipe import VARIANTS
from ..schemes.study.scheme import STUDY

__all__ = ["VARIANTS", "load", "names", "read_run", "scheme_of"]

_SCHEMES: dict[str, Scheme[Any]] = {scheme.format.scheme: scheme for scheme in (KIT, STUDY)}


def names() -> list[str]:
    """The recipes that come with the kit."""
    return sorted(name for scheme in _SCHEMES.values() for name in scheme.format.names())


def load(name: str, overrides: dict[str, Any] | None = None, variant: str | None = None) -> Any:
    """A recipe of any scheme by its name or from a TOML file; see `Format.load`.

    Raises:
        InputError: as `Format.load`, or a scheme that nobody knows.
    """
    known = {k: v for s in _SCHEMES.values() for k, v in shipped(s.format.folder).items()}
    path = find(name, known)
    table = read_table(path)
    stated = (overrides or {}).get("scheme", table.get("scheme"))
    return _named(stated, path).format.resolve(table, path, overrides, variant)


def scheme_of(recipe: RunRecipe) -> Scheme[Any]:
    """The scheme that a recipe is of."""
    return _SCHEMES[recipe.scheme]


def read_run(folder: Path) -> TrainedRun:
    """A run of kws-train, with its scheme.

    Raises:
        InputError: the folder is no run, has no model yet, or a recipe that cannot be read.
    """
    manifest = runs.read_manifest(folder)
    recipe = load(str(folder / runs.RECIPE))
    return TrainedRun(folder, scheme_of(recipe), recipe, manifest)


def _named(scheme: Any, path: Path) -> Scheme[Any]:
    if not isinstance(scheme, str) or scheme not in _SCHEMES:
        raise InputError(f"{path}: scheme {scheme!r} is not one of {', '.join(_SCHEMES)}")
    return _SCHEMES[scheme]
