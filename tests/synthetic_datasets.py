"""Small folders of recordings that we make ourselves, in exactly the layouts of the published datasets."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import soundfile

RATE = 16000
WORDS = {"yes": (400, 900), "no": (1200, 500), "bed": (2000, 2000)}
"""A word is a tone that glides from one frequency to another."""
SCENES = {"rain": 0.0, "hum": 120.0}
"""Noise, or a deep tone."""


def word(name: str, rng: np.random.Generator, seconds: float = 1.0) -> np.ndarray:
    first, last = WORDS[name]
    n = round(seconds * RATE)
    spoken = np.zeros(n)
    length = min(n, round(0.5 * RATE))
    start = int(rng.integers(0, n - length + 1))
    glide = np.linspace(first, last, length) * rng.uniform(0.95, 1.05)
    spoken[start : start + length] = 0.3 * np.sin(2 * np.pi * np.cumsum(glide) / RATE) * np.hanning(length)
    return spoken + 1e-3 * rng.standard_normal(n)


def speech_commands(folder: Path, speakers: int = 30) -> Path:
    """Three words by so many speakers, every fifth validates, every fifth tests; background noise."""
    rng = np.random.default_rng(0)
    lists: dict[int, list[str]] = {3: [], 4: []}
    for name in WORDS:
        (folder / name).mkdir(parents=True)
        for speaker in range(speakers):
            clip = f"{name}/{speaker:08x}_nohash_0.wav"
            soundfile.write(folder / clip, word(name, rng, 0.8 if speaker % 7 == 0 else 1.0), RATE)
            lists.get(speaker % 5, []).append(clip)
    (folder / "validation_list.txt").write_text("\n".join(lists[3]) + "\n")
    (folder / "testing_list.txt").write_text("\n".join(lists[4]) + "\n")
    (folder / "_background_noise_").mkdir()
    for i in range(2):
        noise = 0.02 * rng.standard_normal(20 * RATE)
        soundfile.write(folder / "_background_noise_" / f"noise{i}.wav", noise, RATE)
    return folder


def esc50(folder: Path, folds: int = 4, sources: int = 4) -> Path:
    """Two scenes, so many source recordings in each fold, at 44.1 kHz as published."""
    rng = np.random.default_rng(1)
    (folder / "meta").mkdir(parents=True)
    (folder / "audio").mkdir()
    rows = []
    for target, (category, hz) in enumerate(SCENES.items()):
        for fold in range(1, folds + 1):
            for source in range(sources):
                number = 1000 * fold + 100 * target + source
                name = f"{fold}-{number}-A-{target}.wav"
                t = np.arange(2 * 44100) / 44100
                sound = 0.05 * rng.standard_normal(len(t)) if hz == 0 else 0.1 * np.sin(2 * np.pi * hz * t)
                soundfile.write(folder / "audio" / name, sound, 44100)
                rows.append([name, fold, target, category, True, number, "A"])
    with (folder / "meta" / "esc50.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["filename", "fold", "target", "category", "esc10", "src_file", "take"])
        writer.writerows(rows)
    return folder


def urbansound8k(folder: Path) -> Path:
    """Two classes in ten folds."""
    rng = np.random.default_rng(2)
    (folder / "metadata").mkdir(parents=True)
    columns = ["slice_file_name", "fsID", "start", "end", "salience", "fold", "classID", "class"]
    rows = []
    for fold in range(1, 11):
        (folder / "audio" / f"fold{fold}").mkdir(parents=True)
        for number, label in ((3, "dog_bark"), (8, "siren")):
            name = f"{1000 * fold + number}-{number}-0-0.wav"
            sound = 0.1 * rng.standard_normal((44100, 2))
            soundfile.write(folder / "audio" / f"fold{fold}" / name, sound, 44100, subtype="PCM_24")
            rows.append([name, 1000 * fold + number, 0.0, 1.0, 1, fold, number, label])
    with (folder / "metadata" / "UrbanSound8K.csv").open("w", newline="") as file:
        csv.writer(file).writerows([columns, *rows])
    return folder


def own_words(folder: Path, takes: int = 40) -> Path:
    """Plain folders of one's own words, each take a source of its own."""
    rng = np.random.default_rng(3)
    for name in ("yes", "no"):
        (folder / name).mkdir(parents=True)
        for take in range(takes):
            soundfile.write(folder / name / f"take{take}.flac", word(name, rng, 1.4), RATE)
    return folder


def mined(folder: Path, keywords: tuple[str, ...] = ("yes", "no"), rate: int = RATE) -> Path:
    """What kws-data mine leaves: five stretches of noise that a model of these words nearly fired at."""
    rng = np.random.default_rng(4)
    (folder / "stretches").mkdir(parents=True)
    lines = ["recording,end_s,word,score,peak_s,split,file,at_s"]
    for i in range(5):
        file = f"stretches/{i:05}.flac"
        soundfile.write(folder / file, 0.1 * rng.standard_normal(round(4.5 * rate)), rate)
        lines.append(f"talk/{i}.wav,12.3,{keywords[0]},0.5,12.4,train,{file},3.0")
    (folder / "mined.csv").write_text("\n".join(lines) + "\n")
    summary = {"sample_rate_hz": rate, "keywords": keywords, "sound": ["talk"]}
    (folder / "mined.json").write_text(json.dumps(summary))
    return folder


def silence(path: Path) -> None:
    """What a recording becomes whose microphone was off."""
    samples, rate = soundfile.read(path)
    soundfile.write(path, np.zeros_like(samples), rate)
