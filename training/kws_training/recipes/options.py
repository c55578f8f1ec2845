"""Parses recipe options of command lines: KEY=VALUE, and lists of words."""

from __future__ import annotations

from typing import Any

import tomllib

from kws_device import InputError


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
