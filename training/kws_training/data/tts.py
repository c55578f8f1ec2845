"""Words said by synthetic voices: for words of few speakers, and for words that sound like keywords."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray
from tqdm import tqdm

from kws_device import InputError, audio_files
from kws_device._support import atomic

from .segments import from_db, power

SAMPLE_RATE_HZ = 16_000
_TEMPORARY = ".kws-voices-"
_FLITE_SHARE = 0.35
_ESPEAK_ACCENTS = (
    "en", "en-us", "en-us", "en-us", "en-us-nyc", "en-gb-scotland", "en-gb-x-rp", "en-gb-x-gbclan",
    "en-gb-x-gbcwmd", "en-029",
)  # fmt: skip
_ESPEAK_SPEAKERS = (
    "", "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "f1", "f2", "f3", "f4", "f5", "klatt", "klatt2",
    "klatt4", "Alex", "Andrea", "Andy", "Annie", "anika", "belinda", "benjamin", "Denis", "Diogo", "Gene",
    "grandma", "grandpa", "Jacky", "john", "Lee", "linda", "Michael", "miguel", "norbert", "pablo", "paul",
    "rob", "robert", "sandro", "shelby", "steph", "travis", "zac", "adam", "Alicia", "aunty", "david", "ed",
    "edward", "marcelo", "Marco", "Mario", "max", "michel", "Mike", "quincy", "victor", "antonio",
)  # fmt: skip
"""Of espeak-ng's, those that sound like people: no robots, no whispers."""
_ESPEAK_WORDS_A_MINUTE = (110, 200)
_ESPEAK_PITCH = (20, 85)
_FLITE_PITCH_HZ = {"kal16": 105, "awb": 120, "rms": 100, "slt": 170}
_FLITE_PITCH = (0.8, 1.25)
_FLITE_STRETCH = (0.8, 1.35)
_AUDIBLE = 0.01
"""Of the largest amplitude: where a word begins and ends."""
_LENGTH_S = (0.1, 1.2)
"""A voice that says a word shorter or longer says something else."""
_LEVEL_DBFS = -26.0


@dataclass(frozen=True)
class Voice:
    """A program and how to ask it: the same voice says a word the same way always."""

    name: str
    """Fit for a file's name; tells the voice, its speed and its pitch."""
    arguments: tuple[str, ...]
    """Of the command that says a word; WORD and FILE stand for what it says and where."""


def random_voice(rng: np.random.Generator) -> Voice:
    """A voice of espeak-ng or flite, at a speed and a pitch of its own."""
    if rng.random() < _FLITE_SHARE:
        speaker = str(rng.choice(list(_FLITE_PITCH_HZ)))
        stretch = f"{rng.uniform(*_FLITE_STRETCH):.2f}"
        pitch_hz = round(_FLITE_PITCH_HZ[speaker] * rng.uniform(*_FLITE_PITCH))
        settings = ("--setf", f"duration_stretch={stretch}", "--setf", f"int_f0_target_mean={pitch_hz}")
        return Voice(
            f"flite-{speaker}-{stretch}-{pitch_hz}",
            ("flite", "-voice", speaker, *settings, "-t", "WORD", "-o", "FILE"),
        )
    speaker = f"{rng.choice(_ESPEAK_ACCENTS)}+{rng.choice(_ESPEAK_SPEAKERS)}".removesuffix("+")
    speed, pitch = (str(rng.integers(*span)) for span in (_ESPEAK_WORDS_A_MINUTE, _ESPEAK_PITCH))
    return Voice(
        f"espeak-{speaker}-{speed}-{pitch}".replace("+", "-"),
        ("espeak-ng", "-v", speaker, "-s", speed, "-p", pitch, "-w", "FILE", "WORD"),
    )


def say(word: str, voice: Voice) -> NDArray[np.float32] | None:
    """A word without the silence around it, shape (n,), mono at SAMPLE_RATE_HZ, at -26 dB re full scale.

    None where what was said is too short or too long to be a word.

    Raises:
        InputError: the program is missing, or failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "word.wav"
        command = [{"WORD": word, "FILE": str(path)}.get(part, part) for part in voice.arguments]
        try:
            subprocess.run(command, check=True, capture_output=True)  # noqa: S603  a list, no shell
        except FileNotFoundError as error:
            raise InputError(f"{command[0]}: not found; install it (apt install espeak-ng flite)") from error
        except subprocess.CalledProcessError as error:
            raise InputError(f"{voice.name}: could not say {word!r}: {error.stderr.decode()!r}") from error
        sound = audio_files.read(path, SAMPLE_RATE_HZ)
    loud = np.flatnonzero(np.abs(sound) > _AUDIBLE * np.abs(sound).max())
    said = sound[loud[0] : loud[-1] + 1] if len(loud) else sound[:0]
    if not _LENGTH_S[0] <= len(said) / SAMPLE_RATE_HZ <= _LENGTH_S[1]:
        return None
    level = np.float32(np.sqrt(from_db(_LEVEL_DBFS) / power(said)))
    result: NDArray[np.float32] = np.clip(said * level, -1, 1)
    return result


def other_words() -> list[str]:
    """English words that are none of the shipped model's keywords, many of them nearly."""
    lines = resources.files(__package__).joinpath("words.txt").read_text(encoding="utf-8").splitlines()
    return [word for line in lines if not line.startswith("#") for word in line.split()]


def make(
    dest: Path, keywords: Sequence[str], voices_each: int, others: Sequence[str], voices_other: int, seed: int
) -> int:
    """Have words said into the new folder `dest`, in Speech Commands' layout; all of it or nothing.

    Args:
        dest: must not exist, or be empty.
        keywords: words that many voices say.
        voices_each: how many say each keyword.
        others: words that few voices say, keywords among them left out.
        voices_other: how many say each of them.
        seed: the same seed, the same voices.

    Returns:
        how many recordings there are.

    Raises:
        InputError: `dest` is taken or cannot be written; a word is none; a program is missing or failed.
    """
    for word in (*keywords, *others):
        if not re.fullmatch(r"\w[\w' -]*", word):
            raise InputError(f"{word!r}: not a word that can be said; use letters")
    rng = np.random.default_rng(seed)
    said_often = [(word, random_voice(rng)) for word in keywords for _ in range(voices_each)]
    said_seldom = [
        (word, random_voice(rng)) for word in others if word not in keywords for _ in range(voices_other)
    ]
    jobs = list(dict.fromkeys(said_often + said_seldom))
    try:
        atomic.check_vacant(dest)
        dest.parent.mkdir(parents=True, exist_ok=True)
        atomic.clear_abandoned(dest.parent, f"{_TEMPORARY}*")
        with tempfile.TemporaryDirectory(prefix=_TEMPORARY, dir=dest.parent) as folder:
            count = _make(Path(folder) / "words", jobs)
            (Path(folder) / "words").replace(dest)
    except OSError as error:
        raise InputError(f"{dest}: cannot be written ({error.strerror}); choose another folder") from error
    return count


def _make(folder: Path, jobs: Sequence[tuple[str, Voice]]) -> int:
    for word, _ in jobs:
        (folder / word).mkdir(parents=True, exist_ok=True)

    def saved(job: tuple[str, Voice]) -> bool:
        word, voice = job
        if (sound := say(word, voice)) is None:
            return False
        soundfile.write(folder / word / f"{voice.name}_nohash_0.flac", sound, SAMPLE_RATE_HZ)
        return True

    with ThreadPoolExecutor() as pool:
        said = list(tqdm(pool.map(saved, jobs), total=len(jobs), desc="voices", unit="word", leave=False))
    for empty in [path for path in folder.iterdir() if not any(path.iterdir())]:
        empty.rmdir()
    return sum(said)
