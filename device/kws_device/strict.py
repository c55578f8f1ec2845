"""Dataclasses from parsed JSON or TOML, strictly: nothing missing, nothing unknown, nothing guessed."""

from __future__ import annotations

import dataclasses
import math
import types
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from .errors import InputError

T = TypeVar("T")


def build(kind: type[T], data: object, where: str) -> T:
    """A `kind` (a dataclass) from a mapping, checked field by field, nested ones too.

    Args:
        kind: dataclass whose fields are bool, int, float, str, other dataclasses, `X | None`,
            `tuple[X, ...]` or `dict[str, X]`.
        data: what a JSON or TOML parser returned.
        where: named in errors, for example a file and a table.

    Raises:
        InputError: a field is missing, unknown, of another type, or refused by the dataclass.
    """
    if not isinstance(data, dict):
        raise InputError(f"{where}: must be a table of values, not {_name(data)}")
    hints = get_type_hints(kind)
    names = {field.name for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    if missing := sorted(names - data.keys()):
        raise InputError(f"{where}: {', '.join(missing)} missing; add it")
    if unknown := sorted(map(str, data.keys() - names)):
        raise InputError(f"{where}: unknown {', '.join(unknown)}; known are {', '.join(sorted(names))}")
    values = {name: _convert(hints[name], data[name], f"{where}: {name}") for name in names}
    try:
        return kind(**values)
    except ValueError as error:
        raise InputError(f"{where}: {error}") from error


def _convert(kind: Any, value: Any, where: str) -> Any:
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        if value is None:
            return None
        (kind,) = (arm for arm in get_args(kind) if arm is not type(None))
        return _convert(kind, value, where)
    if dataclasses.is_dataclass(kind):
        return build(kind, value, where)  # type: ignore[arg-type]
    if origin is tuple and isinstance(value, (list, tuple)):
        return tuple(_convert(get_args(kind)[0], item, f"{where}[{i}]") for i, item in enumerate(value))
    if (origin is dict or kind is dict) and isinstance(value, dict):
        inner = get_args(kind)[1] if origin is dict else Any
        return {str(key): _convert(inner, item, f"{where}.{key}") for key, item in value.items()}
    if kind is Any:
        return value
    if kind is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        if not math.isfinite(value):
            raise InputError(f"{where}: {value} is not a finite number")
        return float(value)
    # bool is a subclass of int, so the exact type decides.
    if type(value) is kind:
        return value
    wanted = {tuple: "a list", dict: "a table"}.get(origin, getattr(kind, "__name__", str(kind)))
    raise InputError(f"{where}: must be {wanted}, not {_name(value)}")


def _name(value: object) -> str:
    return f"{type(value).__name__} {value!r}"[:60]


def plain(value: Any) -> Any:
    """The reverse of `build`: dataclasses as plain dictionaries and lists, fit for JSON and TOML."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value
