"""Recipes: one TOML file tells everything that makes a run, with no hidden default."""

from __future__ import annotations

from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import tomli_w
import tomllib

from kws_device.errors import InputError
from kws_device.strict import build, plain

from ..schemes.kit.recipe import Recipe
from ..schemes.study.recipe import StudyRecipe
from .parts import MOST_EPOCHS

AnyRecipe = Recipe | StudyRecipe
_SCHEMES: dict[str, type[AnyRecipe]] = {"waveform": Recipe, "spectrogram": StudyRecipe}
VARIANTS = ("documented", "as-run")
_ADDED: dict[str, dict[str, dict[str, Any]]] = {
    "waveform": {"epoch": {"hard_share": 0.1, "hard_weight": 1.0}},
}
"""By scheme and table: keys that recipes of earlier runs lack, and what they mean by that."""
_DEVIATIONS = "as-run"
"""The table of a recipe's file that says by key what the study's code did otherwise."""


def _recipes() -> Path:
    return Path(str(resources.files(__package__)))


def names() -> list[str]:
    """The recipes that come with the kit."""
    return sorted(path.stem for path in _recipes().glob("*.toml"))


def load(name: str, overrides: dict[str, Any] | None = None, variant: str | None = None) -> AnyRecipe:
    """A recipe by its name or from a TOML file, with variant and then overrides applied.

    Args:
        name: one of `names()` or the path of a TOML file.
        overrides: values by dotted key, for example {"optimisation.epochs": 5}.
        variant: one of VARIANTS; None: as the file has it.

    Raises:
        InputError: no such recipe, not TOML, a key missing, unknown or of another type, a value out of its
            range, or values that do not fit each other.
    """
    path = Path(name) if name.endswith(".toml") else _recipes() / f"{name}.toml"
    if not path.is_file() or (not name.endswith(".toml") and name not in names()):
        raise InputError(f"{name}: no such recipe; known are {', '.join(names())}, or name a .toml file")
    data = read_table(path)
    deviations = data.pop(_DEVIATIONS, None)
    if variant not in (None, *VARIANTS):
        raise InputError(f"{variant}: no variant of a recipe; those are {', '.join(VARIANTS)}")
    if variant is not None and deviations is None:
        raise InputError(f"{name}: has no variants; leave out --variant")
    for name_of_table, added in _ADDED.get(str(data.get("scheme")), {}).items():
        if isinstance(data.get(name_of_table), dict):
            data[name_of_table] = added | data[name_of_table]
    changes = (deviations if variant == "as-run" else {}) | (overrides or {})
    change(data, changes, name)
    scheme = data.get("scheme")
    if not isinstance(scheme, str) or scheme not in _SCHEMES:
        raise InputError(f"{path}: scheme {scheme!r} is not one of {', '.join(_SCHEMES)}")
    recipe = build(_SCHEMES[scheme], data, str(path))
    if isinstance(recipe, Recipe):
        # Words that are asked for are never left out.
        kept = tuple(word for word in recipe.left_out if word not in recipe.keywords)
        return replace(recipe, left_out=kept)
    return recipe


def read_table(path: Path) -> dict[str, Any]:
    """The content of a recipe's file. Raises InputError where it cannot be read or is not TOML."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); name a recipe") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not TOML ({error})") from error


def change(data: dict[str, Any], changes: dict[str, Any], name: str) -> None:
    """Change values of a recipe's table in place.

    Args:
        data: the table.
        changes: values by dotted key.
        name: of the recipe, for the message.

    Raises:
        InputError: a key that the recipe does not have.
    """
    for key, value in changes.items():
        table: Any = data
        *parents, last = key.split(".")
        for parent in parents:
            table = table.get(parent) if isinstance(table, dict) else None
        if not isinstance(table, dict) or last not in table:
            raise InputError(f"{key}: no such key in recipe {name}")
        table[last] = value


def with_epochs(recipe: AnyRecipe, epochs: int) -> AnyRecipe:
    """The recipe with so many epochs, for every head that it fine-tunes too.

    Raises:
        InputError: fewer than one, or too many.
    """
    if not 1 <= epochs <= MOST_EPOCHS:
        raise InputError(f"--epochs {epochs}: must be at least 1 and at most {MOST_EPOCHS}")
    if isinstance(recipe, Recipe):
        return replace(recipe, optimisation=replace(recipe.optimisation, epochs=epochs))
    tuning = recipe.fine_tuning
    return replace(
        recipe,
        optimisation=replace(recipe.optimisation, epochs=epochs),
        fine_tuning=replace(tuning, epochs=epochs) if tuning.heads else tuning,
    )


def folds(recipe: AnyRecipe) -> str:
    """By which of `layouts.FOLDS` a recipe splits UrbanSound8K."""
    return recipe.data.folds if isinstance(recipe, StudyRecipe) else "documented"


def override(text: str) -> tuple[str, Any]:
    """KEY=VALUE of the command line, the value in TOML; a bare word is a string.

    Raises:
        InputError: no `=` in it.
    """
    key, equals, value = text.partition("=")
    if not equals:
        raise InputError(f"--set {text}: write KEY=VALUE")
    try:
        return key.strip(), tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return key.strip(), value
    except (ValueError, RecursionError) as error:
        raise InputError(f"--set {key}: not a value ({error})") from error


def listed(text: str) -> list[str]:
    """The words of a list with commas, as the command lines take them."""
    return [word.strip() for word in text.split(",") if word.strip()]


def to_toml(recipe: AnyRecipe) -> str:
    """The resolved recipe as TOML; `load` reads it back."""
    return tomli_w.dumps(plain(recipe))
