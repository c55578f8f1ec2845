"""Recipes: a TOML file says everything that makes a run, and nothing has a hidden default.

A file may name another one that it `extends` and then says only what differs.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any

import tomli_w
import tomllib

from kws_device import InputError
from kws_device._support.schema import plain

from .migration import migrated, renamed

_EXTENDS = "extends"
_LONGEST_CHAIN = 8
"""Recipes that extend each other; more are a circle."""


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


def change(data: dict[str, Any], changes: dict[str, Any], name: str) -> None:
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


def to_toml(recipe: object) -> str:
    """A resolved recipe as TOML, which `Format.load` reads back."""
    return tomli_w.dumps(plain(recipe))
