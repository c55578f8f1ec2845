"""Reads and writes recipes: TOML files, resolved into the dataclass of their scheme."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, Generic, TypeVar

import tomli_w
import tomllib

from kws_device import InputError
from kws_device._support.schema import build, plain

from .migration import migrated, renamed

R = TypeVar("R")

_EXTENDS = "extends"
_LONGEST_CHAIN = 8
"""Recipes that extend each other; more are a circle."""


@dataclass(frozen=True)
class Format(Generic[R]):
    """The dataclass of a scheme's recipes, and what their files may hold beside its fields."""

    scheme: str
    """What such a recipe says under `scheme`."""
    recipe: type[R]
    """A dataclass, its tables dataclasses, too."""
    folder: str = ""
    """Where the kit's own recipes lie, below `recipes`."""
    variants: tuple[str, ...] = ()
    """Names of variants. A file's table of that name says by dotted key what the variant changes."""
    added: Mapping[str, Any] = field(default_factory=dict)
    """By dotted key: values that recipes of earlier versions do not have, and mean."""

    def names(self) -> list[str]:
        """The recipes that come with the kit."""
        return sorted(shipped(self.folder))

    def load(self, name: str, overrides: dict[str, Any] | None = None, variant: str | None = None) -> R:
        """A recipe by its name or from a TOML file, with variant and then overrides applied.

        Args:
            name: one of `names()` or the path of a TOML file.
            overrides: values by dotted key, for example {"optimisation.epochs": 5}.
            variant: one of `variants`; None: as the file has it.

        Raises:
            InputError: no such recipe, not TOML, of another scheme, a key missing, unknown or of another
                type, a value out of its range, or values that do not fit each other.
        """
        path = find(name, shipped(self.folder))
        table = read_table(path)
        if table.get("scheme") != self.scheme:
            raise InputError(f"{path}: scheme {table.get('scheme')!r} is not {self.scheme}")
        return self.resolve(table, path, overrides, variant)

    def of_run(self, path: Path) -> R | None:
        """The recipe that a run kept; None where it is one of another scheme.

        Raises:
            InputError: as `load`.
        """
        table = read_table(path)
        return self.resolve(table, path) if table.get("scheme") == self.scheme else None

    def resolve(
        self,
        table: dict[str, Any],
        path: Path,
        overrides: dict[str, Any] | None = None,
        variant: str | None = None,
    ) -> R:
        """A recipe from its table; see `load`, which reads the table first.

        Args:
            table: of `read_table`; is changed.
            path: of its file, named in errors.
            overrides: as in `load`.
            variant: as in `load`.

        Raises:
            InputError: as `load`.
        """
        tables = {name: table.pop(name) for name in self.variants if name in table}
        if variant is not None and not tables:
            raise InputError(f"{path.stem}: has no variants; leave out --variant")
        if variant not in (None, *self.variants):
            raise InputError(f"{variant}: no variant of a recipe; those are {', '.join(self.variants)}")
        for key, value in self.added.items():
            *parents, last = key.split(".")
            inner: Any = table
            for parent in parents:
                inner = inner.get(parent) if isinstance(inner, dict) else None
            if isinstance(inner, dict):
                inner.setdefault(last, value)
        changes = tables.get(variant, {}) if variant is not None else {}
        if not isinstance(changes, dict):
            raise InputError(
                f"{path}: {variant} is no table; write [{variant}], and below it what it changes"
            )
        _change(table, changes | (overrides or {}), path.stem)
        return build(self.recipe, table, str(path))


def shipped(folder: str = "") -> dict[str, Path]:
    """The recipes that come with the kit, by name.

    Args:
        folder: below this package; empty: the package's own.
    """
    return {path.stem: path for path in sorted((_package() / folder).glob("*.toml"))}


def _package() -> Path:
    return Path(str(resources.files(__package__)))


def find(name: str, known: dict[str, Path]) -> Path:
    """The file of a recipe.

    Args:
        name: one of the known names, or the path of a TOML file.
        known: files by name.

    Raises:
        InputError: no such recipe.
    """
    path = Path(name) if name.endswith(".toml") else known.get(name)
    if path is None or not path.is_file():
        raise InputError(
            f"{name}: no such recipe; known are {', '.join(sorted(known))}, or name a .toml file"
        )
    return path


def read_table(path: Path) -> dict[str, Any]:
    """The content of a recipe's file, laid over that of the recipe that it extends.

    Raises:
        InputError: a file that cannot be read or is not TOML, or recipes that extend each other in a circle.
    """
    tables = [_parsed(path)]
    while (base := tables[-1].pop(_EXTENDS, None)) is not None:
        if not isinstance(base, str):
            raise InputError(f"{path}: extends {base!r}; give the name or the file of a recipe")
        if len(tables) == _LONGEST_CHAIN:
            raise InputError(f"{path}: extends {base} in a circle; end it")
        path = path.parent / base if base.endswith(".toml") else find(base, _all_shipped())
        tables.append(_parsed(path))
    merged: dict[str, Any] = {}
    for table in reversed(tables):
        merged = _laid_over(merged, table)
    return merged


def _all_shipped() -> dict[str, Path]:
    return {path.stem: path for path in _package().rglob("*.toml")}


def _parsed(path: Path) -> dict[str, Any]:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); name a recipe") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not TOML ({error})") from error
    return migrated(table, str(path))


def _laid_over(base: dict[str, Any], table: dict[str, Any]) -> dict[str, Any]:
    """Tables key by key, all other values whole."""
    merged = dict(base)
    for key, value in table.items():
        before = base.get(key)
        both = isinstance(before, dict) and isinstance(value, dict)
        merged[key] = _laid_over(before, value) if both else value  # type: ignore[arg-type]
    return merged


def _change(data: dict[str, Any], changes: dict[str, Any], name: str) -> None:
    """Change values of a recipe's table in place.

    Args:
        data: the table.
        changes: values by dotted key, old names of keys among them.
        name: of the recipe, for the message.

    Raises:
        InputError: a key that the recipe does not have.
    """
    for key, value in renamed(changes).items():
        table: Any = data
        *parents, last = key.split(".")
        for parent in parents:
            table = table.get(parent) if isinstance(table, dict) else None
        if not isinstance(table, dict) or last not in table:
            raise InputError(f"{key}: no such key in recipe {name}")
        table[last] = value


def to_toml(recipe: object) -> str:
    """A resolved recipe as TOML, which `Format.load` reads back."""
    return tomli_w.dumps(plain(recipe))
