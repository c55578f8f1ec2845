"""Changes that break things: of bytes, of values as JSON and TOML hold them, and of trees of values."""

from __future__ import annotations

import copy
import json
from random import Random
from typing import Any

INTEGERS = (0, 1, -1, 2, 127, 128, 255, 256, 32767, 65535, 1 << 20, (1 << 31) - 1, -(1 << 31), (1 << 32) - 1)
NUMBERS = (*INTEGERS, 1 << 63, 10**400, 0.5, -0.0, 5e-324, 1e-9, 1e20, 1e308, float("nan"), float("inf"))
TEXTS = (
    "", " ", "a", "_silence_", "\x1b[2J", "a\nerror: b", "a\rb", "\u202eabc", "\ud800", "\0", "../a",
    "=HYPERLINK(1)", "<script>", "%s%n", "é" * 200, "a" * 100_000,
)  # fmt: skip
DEEPEST = {"@nested": 900, "@deeper": 100_000}
"""Values that `to_json` writes as so many lists within each other: parsers accept the first, and other
recursive functions do not.
"""


def hostile_value(rng: Random) -> Any:
    """What a field should not hold."""
    drawn = [rng.choice(NUMBERS), rng.choice(TEXTS), rng.choice([*DEEPEST])]
    return rng.choice([*drawn, None, True, [], {}, [0] * 1000, {"a": {}}])


def changed_number(number: float, rng: Random) -> Any:
    """A number beside this one, or far from it."""
    if isinstance(number, float) and rng.random() < 0.5:
        return number * rng.choice([-1, 0, 0.1, 0.999, 1.001, 10, 1000])
    return rng.choice([number + 1, number - 1, number * 2, number * 100, -number, *NUMBERS])


def change_tree(tree: Any, rng: Random) -> None:
    """Change one place of nested dictionaries and lists: drop it, repeat it, or give it another value."""
    holder, key = _place(tree, rng)
    if holder is None:
        return
    kind = rng.random()
    if kind < 0.1:
        del holder[key]
    elif kind < 0.2:
        other, place = _place(tree, rng)
        holder[key] = copy.deepcopy(other[place])
    elif kind < 0.6 and isinstance(holder[key], (int, float)):
        holder[key] = changed_number(holder[key], rng)
    elif kind < 0.7 and isinstance(holder, list):
        holder[key:key] = [holder[key]] * rng.choice([1, 2, 100])
    else:
        holder[key] = hostile_value(rng)


def _place(tree: Any, rng: Random) -> tuple[Any, Any]:
    """What holds a value, and under which key; the way down is drawn, so that large lists do not take all."""
    holder, key = None, None
    while isinstance(tree, (dict, list)) and tree and (holder is None or rng.random() < 0.85):
        keys = [*tree] if isinstance(tree, dict) else range(len(tree))
        holder, key = tree, rng.choice(keys)
        tree = holder[key]
    return holder, key


def changed_bytes(content: bytes, rng: Random) -> bytes:
    """Flip bits, cut, splice, repeat or overwrite, once or several times."""
    changed = bytearray(content)
    for _ in range(rng.choice([1, 1, 1, 2, 4, 16])):
        size = len(changed)
        at = rng.randrange(size + 1)
        length = min(rng.choice([1, 2, 4, 16, 256, 4096]), size - at)
        kind = rng.randrange(6)
        if kind == 0 and at < size:
            changed[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            del changed[at:]
        elif kind == 2:
            del changed[at : at + length]
        elif kind == 3:
            source = rng.randrange(size + 1)
            changed[at:at] = changed[source : source + length]
        elif kind == 4:
            changed[at : at + length] = rng.randbytes(length)
        else:
            number = rng.choice(INTEGERS) & 0xFFFFFFFF
            width = min(rng.choice([1, 2, 4]), size - at)
            changed[at : at + width] = number.to_bytes(4, rng.choice(["little", "big"]))[:width]
    return bytes(changed)


def to_json(tree: Any) -> str:
    """JSON; NaN and half characters are written, too."""
    text = json.dumps(tree)
    for name, depth in DEEPEST.items():
        text = text.replace(f'"{name}"', "[" * depth + "]" * depth)
    return text


def changed_json(text: str, rng: Random) -> str:
    """Change some places of a JSON text."""
    tree = json.loads(text)
    for _ in range(rng.choice([1, 1, 2, 3])):
        change_tree(tree, rng)
    return to_json(tree)
