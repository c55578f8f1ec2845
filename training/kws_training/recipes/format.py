"""How the recipes of one scheme are written, and read back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from kws_device import InputError
from kws_device._support.schema import build

from . import change, find, read_table, shipped

R = TypeVar("R")


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
        change(table, changes | (overrides or {}), path.stem)
        return build(self.recipe, table, str(path))
