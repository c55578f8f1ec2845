"""Finding a word in takes of a few seconds, made here and real."""

from __future__ import annotations

import numpy as np
import pytest

from kws_device import audio_files
from kws_device.takes.find import cut, find_words

RATE = 16000


def glide(first_hz: float, last_hz: float, seconds: float, rng: np.random.Generator) -> np.ndarray:
    n = round(seconds * RATE)
    hz = np.linspace(first_hz, last_hz, n) * rng.uniform(0.95, 1.05)
    return 0.3 * np.sin(2 * np.pi * np.cumsum(hz) / RATE) * np.hanning(n)


def take(rng: np.random.Generator, seconds: float = 3.0, noise: float = 1e-3) -> tuple[np.ndarray, int, int]:
    """A rising word somewhere in a take, with its first sample and the one behind its last."""
    word = glide(400, 1600, rng.uniform(0.4, 0.6), rng)
    samples = noise * rng.standard_normal(round(seconds * RATE))
    start = int(rng.integers(0, len(samples) - len(word)))
    samples[start : start + len(word)] += word
    return samples.astype(np.float32), start, start + len(word)


@pytest.mark.parametrize("noise", [0.0, 1e-3, 1e-2])
def test_the_word_is_found_wherever_it_is(noise):
    rng = np.random.default_rng(0)
    made = [take(rng, rng.uniform(2, 4), noise) for _ in range(12)]
    for (samples, start, end), found in zip(made, find_words([m[0] for m in made], RATE), strict=True):
        assert found is not None
        assert abs(found.start - start) < 0.2 * RATE
        assert abs(found.end - end) < 0.2 * RATE
        assert found.agreement > 0.5
        word = cut(samples, found, RATE)
        assert len(word) == found.end - found.start
        assert abs(word[0]) < 1e-6


def test_what_the_takes_have_in_common_is_taken_and_not_what_is_loudest():
    rng = np.random.default_rng(1)
    takes, starts = [], []
    for i in range(12):
        samples, start, _ = take(rng, 4.0)
        place = (start + 2 * RATE) % (3 * RATE)
        if i % 3 == 0:  # something else, louder and another thing each time
            other = 3 * glide(rng.uniform(1800, 3000), rng.uniform(300, 3000), 0.45, rng)
            samples[place : place + len(other)] += other.astype(np.float32)
        takes.append(samples)
        starts.append(start)
    for start, found in zip(starts, find_words(takes, RATE), strict=True):
        assert found is not None
        assert abs(found.start - start) < 0.25 * RATE


def test_a_take_with_nothing_in_it_has_no_word():
    rng = np.random.default_rng(2)
    takes = [take(rng)[0] for _ in range(6)]
    silent = np.zeros(2 * RATE, np.float32)
    click = silent.copy()
    click[RATE] = 0.5
    hiss = (1e-3 * rng.standard_normal(2 * RATE)).astype(np.float32)
    found = find_words([*takes, silent, click, hiss, silent[:0], silent[:100]], RATE)
    assert all(each is not None for each in found[:6])
    assert found[6:] == [None] * 5


def test_real_takes_of_three_words_nearly_all_have_a_word_as_long_as_a_word(data):
    for word, longest_s in (("alexa", 1.0), ("computer", 1.0), ("smart_mirror", 1.3)):
        paths = sorted((data / "own_words" / word).iterdir())[:24]
        found = [f for f in find_words([audio_files.read(path, RATE) for path in paths], RATE) if f]
        assert len(found) >= 21
        lengths_s = [(each.end - each.start) / RATE for each in found]
        assert 0.5 < np.median(lengths_s) < longest_s
        assert np.quantile(lengths_s, 0.9) < 1.4
