"""Mutants of what stands beside the sound: lists, tables, recipes, runs and reports."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import tomli_w
import tomllib
from fuzz.mutations import DEEPEST, TEXTS, change_tree, changed_bytes, changed_json, hostile_value


@dataclass(frozen=True)
class FolderMutants:
    """Makes mutants of a folder, one text file of it changed, and has a command read it."""

    template: Path
    command: Sequence[object]
    """Where it says `DIR`, it gets the folder."""

    def __call__(self, rng: Random, folder: Path) -> Sequence[object]:
        """See campaign.Make."""
        copy = folder / "mutant"
        shutil.copytree(self.template, copy, copy_function=lambda a, b: Path(b).hardlink_to(a))
        files = sorted(path for path in copy.rglob("*") if path.suffix in _CHANGES)
        path = rng.choice(files)
        content = path.read_bytes()
        path.unlink()  # it is a link to the template's
        change = _changed_text if rng.random() < 0.3 else _CHANGES[path.suffix]
        path.write_bytes(change(content, rng))
        return [str(part).replace("DIR", str(copy)) for part in self.command]


def _changed_text(content: bytes, rng: Random) -> bytes:
    """Change bytes, or put a hostile text somewhere."""
    if rng.random() < 0.5:
        return changed_bytes(content, rng)
    at = rng.randrange(len(content) + 1)
    return content[:at] + rng.choice(TEXTS).encode(errors="surrogatepass") + content[at:]


def _changed_table(content: bytes, rng: Random) -> bytes:
    """Change a field of a table, or of a list of names, which has one in each line."""
    lines = content.splitlines()
    at = rng.randrange(len(lines))
    fields = lines[at].split(b",")
    place = rng.randrange(len(fields))
    if rng.random() < 0.2:
        del fields[place]
    else:
        value = rng.choice(
            [str(hostile_value(rng)), "../" * rng.randrange(9) + "a.wav", "/a.wav", '"', "a/b/c.wav"]
        )
        fields[place] = value.encode(errors="surrogatepass")
    lines[at] = b",".join(fields)
    if rng.random() < 0.1:
        lines = lines[:at]
    return b"\n".join(lines * rng.choice([1, 1, 1, 2])) + b"\n"


def _changed_toml(content: bytes, rng: Random) -> bytes:
    """Change some values of a recipe."""
    data = tomllib.loads(content.decode())
    for _ in range(rng.choice([1, 1, 2, 3])):
        change_tree(data, rng)
    try:
        text = tomli_w.dumps(data)
    except (TypeError, ValueError, AttributeError):  # TOML has no null
        return _changed_text(content, rng)
    for name, depth in DEEPEST.items():
        text = text.replace(f'"{name}"', "[" * depth + "]" * depth)
    return text.encode(errors="surrogatepass")


def _changed_json(content: bytes, rng: Random) -> bytes:
    return changed_json(content.decode(), rng).encode()


_CHANGES = {".txt": _changed_table, ".csv": _changed_table, ".toml": _changed_toml, ".json": _changed_json}
