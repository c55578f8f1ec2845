"""Draws docs/images/kws-listen.svg: the screen of kws-listen while it plays the demo recording.

Needs the environment of `make setup`. Run it in the repository:

    .venv/bin/python docs/tools/screen_picture.py
"""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from html import escape
from pathlib import Path

import pyte
from pyte.screens import Char

ROOT = Path(__file__).resolve().parents[2]
PICTURE = ROOT / "docs" / "images" / "kws-listen.svg"
COMMAND = ["kws-listen", "--file", "device/demo/demo.flac", "--real-time"]
COLUMNS, ROWS = 72, 17
EVENTS = 9
"""The picture is taken when so many stand on the screen."""

CHARACTER_PX, LINE_PX, MARGIN_PX = 8.4, 19, 14
PAPER, INK = "#161b22", "#e6eaf0"
COLOURS = {"red": "#ff7b72", "brown": "#f0c674"}
"""pyte's names; brown is the terminal's yellow."""


def watch() -> list[list[Char]]:
    """Run the command on a terminal until the moment of the picture; returns the rows of that terminal."""
    screen = pyte.Screen(COLUMNS, ROWS)
    emulator = pyte.ByteStream(screen)
    parent, child = pty.openpty()
    fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    program = Path(sys.executable).with_name(COMMAND[0])
    environment = {**os.environ, "TERM": "xterm"}
    with subprocess.Popen(
        [program, *COMMAND[1:]], stdout=child, stderr=child, cwd=ROOT, env=environment
    ) as listening:
        os.close(child)
        emulator.feed(f"$ {' '.join(COMMAND)}\r\n".encode())
        while sum("scene: " in row for row in screen.display) < EVENTS:
            emulator.feed(os.read(parent, 65536))
        listening.terminate()
    rows = [[screen.buffer[row][column] for column in range(COLUMNS)] for row in range(ROWS)]
    while rows and not "".join(character.data for character in rows[-1]).strip():
        rows.pop()
    return rows


def runs(row: list[Char]) -> list[tuple[str, Char]]:
    """The row in pieces of one style."""
    pieces: list[tuple[str, Char]] = []
    for character in row:
        if pieces and (character.fg, character.bold) == (pieces[-1][1].fg, pieces[-1][1].bold):
            pieces[-1] = (pieces[-1][0] + character.data, pieces[-1][1])
        else:
            pieces.append((character.data, character))
    return pieces


def draw(rows: list[list[Char]]) -> str:
    """The picture as SVG."""
    width = round(COLUMNS * CHARACTER_PX + 2 * MARGIN_PX)
    height = len(rows) * LINE_PX + 2 * MARGIN_PX
    title = "kws-listen: events scroll, and below them stand the level, both heads and the cost"
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"'
        f' viewBox="0 0 {width} {height}" role="img">',
        f"<title>{title}</title>",
        f'<rect width="100%" height="100%" rx="8" fill="{PAPER}"/>',
        f'<g font-family="ui-monospace, Menlo, Consolas, DejaVu Sans Mono, monospace" font-size="14"'
        f' fill="{INK}">',
    ]
    for number, row in enumerate(rows):
        y_px = MARGIN_PX + (number + 0.75) * LINE_PX
        column = 0
        for text, style in runs(row):
            x_px, column = MARGIN_PX + column * CHARACTER_PX, column + len(text)
            # SVG folds plain spaces into one.
            shown = escape(text.rstrip()).replace(" ", "\u00a0")
            if not shown:
                continue
            weight = ' font-weight="700"' if style.bold else ""
            colour = f' fill="{COLOURS[style.fg]}"' if style.fg in COLOURS else ""
            size = f'textLength="{len(text.rstrip()) * CHARACTER_PX:.1f}"'
            lines.append(f'<text x="{x_px:.1f}" y="{y_px:.1f}" {size}{weight}{colour}>{shown}</text>')
    return "\n".join([*lines, "</g>", "</svg>", ""])


if __name__ == "__main__":
    PICTURE.write_text(draw(watch()), encoding="utf-8")
    print(f"written: {PICTURE}")
