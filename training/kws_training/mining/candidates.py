"""Finds the places in a recording where a model would fire at low thresholds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from kws_device import AudioFile, Manifest, Spotter
from kws_device.model.engine import load_engine
from kws_device.model.manifest import KEYWORD_HEAD
from kws_device.model.model_file import ModelFile


@dataclass(frozen=True)
class Candidate:
    """A keyword that the model would have reported."""

    word: str
    end_s: float
    """The end of the decision's window, seconds from the beginning of the recording."""
    score: float
    """The highest smoothed score before it falls to the threshold again."""
    peak_s: float
    """The decision of that score."""


@dataclass(frozen=True)
class Heard:
    """What a model made of one recording."""

    audio_s: float
    highest: float
    """The highest smoothed score of a keyword that led its head; 0 where none ever did."""
    candidates: tuple[Candidate, ...]
    """In order of time."""


def lowered(manifest: Manifest, near: float, smoothing_s: float | None = None) -> Manifest:
    """The manifest with every threshold at `near`, and keyword scores averaged over `smoothing_s`, if given.

    The first network is asked alone, and every keyword counts at any time.
    """
    first = manifest.with_arming(None).without_verifier()
    decoder = replace(first.decoder, thresholds=dict.fromkeys(first.keywords, near), scene_thresholds={})
    heads = first.heads
    if smoothing_s is not None:
        decoder = replace(decoder, smoothing_s={})
        heads = tuple(replace(h, smoothing_s=smoothing_s) if h.name == KEYWORD_HEAD else h for h in heads)
    return replace(first, decoder=decoder, heads=heads)


class Listener:
    """Finds the candidates of one model in recordings."""

    def __init__(self, file: ModelFile, near: float, smoothing_s: float | None = None) -> None:
        """Load the model; see `lowered` for the arguments. Raises InputError as `load_engine`."""
        self._manifest = lowered(file.manifest, near, smoothing_s)
        self.sample_rate_hz = file.manifest.front_end.sample_rate_hz
        self._spotter = Spotter(self._manifest, load_engine(file))
        self._near = near

    def hear(self, path: Path) -> Heard:
        """Listen to a recording from its beginning. Raises InputError where it cannot be read."""
        labels = self._manifest.labels[KEYWORD_HEAD]
        keywords = {labels.index(word) for word in self._manifest.trained_keywords}
        source = AudioFile(path, block_ms=1000.0)
        found: list[Candidate] = []
        held: dict[str, int] = {}
        highest = 0.0
        for decision in self._spotter.decisions(source):
            scores = decision.scores[KEYWORD_HEAD]
            if (leader := int(scores.argmax())) in keywords:
                highest = max(highest, float(scores[leader]))
            if (event := decision.event) is not None:
                held[event.keyword] = len(found)
                found.append(Candidate(event.keyword, event.end_s, 0.0, event.end_s))
            for word, i in list(held.items()):
                score = float(scores[labels.index(word)])
                if score <= self._near:
                    del held[word]
                elif score > found[i].score:
                    found[i] = replace(found[i], score=score, peak_s=decision.end_s)
        return Heard(source.audio_s, highest, tuple(replace(c, score=round(c.score, 4)) for c in found))
