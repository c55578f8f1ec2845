"""Builds dataclasses from parsed JSON or TOML; missing and unknown keys are errors."""

from __future__ import annotations

import dataclasses
import json
import math
import reprlib
import types
from collections.abc import Iterable
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from .errors import InputError

T = TypeVar("T")

_DEEPEST = 32
"""Tables and lists within each other, in a value of any kind."""
_LARGEST_INTEGER = 1 << 63
_MANY = 10
"""So many names are listed in an error."""


def build(kind: type[T], data: object, where: str) -> T:
    """A `kind` (a dataclass) from a mapping, checked field by field, nested ones too.

    Args:
        kind: dataclass whose fields are bool, int, float, str, other dataclasses, `X | None`,
            `tuple[X, ...]` or `dict[str, X]`.
        data: what a JSON or TOML parser returned.
        where: named in errors, for example a file and a table.

    Raises:
        InputError: a field is missing, unknown, of another type, or refused by the dataclass; a number is
            not finite or beyond 64 bits; a text holds a lone surrogate; values are nested too deeply.
    """
    if not isinstance(data, dict):
        raise InputError(f"{where}: must be a table of values, not {_name(data)}")
    hints = get_type_hints(kind)
    names = {field.name for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    if missing := sorted(names - data.keys()):
        raise InputError(f"{where}: {', '.join(missing)} missing; add it")
    if unknown := sorted(map(str, data.keys() - names)):
        raise InputError(f"{where}: unknown {listed(unknown)}; known are {', '.join(sorted(names))}")
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
        return {
            _unicode(str(key), where): _convert(inner, item, f"{where}.{key}") for key, item in value.items()
        }
    if kind is Any:
        _check_any(value, where)
        return value
    if kind is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        return _finite(value, where)
    if kind is str and isinstance(value, str):
        return _unicode(value, where)
    # bool is a subclass of int, so the exact type decides.
    if type(value) is kind:
        return value
    wanted = {tuple: "a list", dict: "a table"}.get(origin, getattr(kind, "__name__", str(kind)))
    raise InputError(f"{where}: must be {wanted}, not {_name(value)}")


def _check_any(value: object, where: str, depth: int = 0) -> None:
    """Raises InputError for what JSON cannot carry, or other readers of it cannot."""
    if depth > _DEEPEST:
        raise InputError(f"{where}: nested more than {_DEEPEST} deep; flatten it")
    if isinstance(value, str):
        _unicode(value, where)
    elif isinstance(value, float):
        _finite(value, where)
    elif isinstance(value, int) and abs(value) >= _LARGEST_INTEGER:
        raise InputError(f"{where}: {reprlib.repr(value)} does not fit 64 bits")
    elif isinstance(value, dict):
        for key, item in value.items():
            _unicode(str(key), where)
            _check_any(item, f"{where}.{key}", depth + 1)
    elif isinstance(value, (list, tuple)):
        for item in value:
            _check_any(item, where, depth + 1)


def _finite(value: float, where: str) -> float:
    try:
        number = float(value)
    except OverflowError:  # an integer beyond floating point
        number = math.inf
    if not math.isfinite(number):
        raise InputError(f"{where}: {reprlib.repr(value)} is not a finite number")
    return number


def _unicode(text: str, where: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"{where}: {reprlib.repr(text)} is not Unicode (a lone surrogate)") from error
    return text


def _name(value: object) -> str:
    return f"{type(value).__name__} {reprlib.repr(value)}"[:60]


def listed(names: Iterable[str]) -> str:
    """Names for an error, sorted, the first few of many."""
    ordered = sorted(names)
    shown = ", ".join(name[:60] for name in ordered[:_MANY])
    return f"{shown} and {len(ordered) - _MANY} more" if len(ordered) > _MANY else shown


def check_range(name: str, value: float, least: float, most: float) -> None:
    """Raises ValueError where a number does not lie between `least` and `most`, both allowed."""
    if not least <= value <= most:
        raise ValueError(f"{name} is {reprlib.repr(value)}; it must lie between {least:g} and {most:g}")


def json_text(value: Any, indent: int | None = None) -> str:
    """JSON of dataclasses, tables, lists and plain values.

    In ASCII, so that every terminal and every encoding carries it, and nothing in it steers a terminal.

    Raises:
        ValueError: a number is not finite, which JSON has no word for.
    """
    return json.dumps(plain(value), indent=indent, allow_nan=False)


def plain(value: Any) -> Any:
    """The reverse of `build`: dataclasses as plain dictionaries and lists, fit for JSON and TOML."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value
