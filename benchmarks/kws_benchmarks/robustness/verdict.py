"""The verdict about a model: it works, is weak, or does not do what its labels say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kws_device.model.manifest import KEYWORD_HEAD, SCENE_HEAD, UNKNOWN, Manifest

from .findings import Finding
from .published_baselines import FOR_NOISE, FOR_SILENCE
from .stream_findings import FIRES, MISSES, long_run

WORKS, WEAK_IN_NOISE, WEAK, BROKEN, UNCLEAR = "works", "weak in noise", "weak", "broken", "unclear"
FIRES_TOO_OFTEN = "fires too often"

_FEWEST = 20
"""Windows that say anything."""
_ONE_ANSWER = 0.8
_NO_SKILL = 0.15
_EXCHANGE_GAIN, _EXCHANGE_ACCURACY = 0.05, 0.65
_BELOW_PROMISE = 0.15
_GOOD_WORDS = 0.9
"""MLPerf Tiny's floor for twelve classes."""
_GOOD_SCENES = 0.5
_NOISY_DB = 10.0
_WORTH_TELLING = 0.03
_LOSES_MUCH = 0.10

Confusion = NDArray[np.int64]


@dataclass(frozen=True)
class Verdict:
    """The judgement, the most important first."""

    word: str
    """works, fires too often, weak in noise, weak, broken, or unclear where too little was judged."""
    sentence: str
    """What it means, for people."""
    findings: tuple[Finding, ...]

    @property
    def reasons(self) -> tuple[str, ...]:
        """The findings' sentences."""
        return tuple(finding.text for finding in self.findings)


def verdict(
    report: dict[str, Any],
    manifest: Manifest,
    clean: Mapping[str, Confusion],
    promised: Mapping[str, float],
    streams: Sequence[Mapping[str, Any]],
) -> Verdict:
    """Judge a report.

    A model of keywords works only where a stream has shown how often it reports words that nobody said.

    Args:
        report: the content of robustness.json.
        manifest: of the model.
        clean: confusions of the clean set by head, rows are what was there.
        promised: accuracies on validation by head, as far as the model itself tells them.
        streams: contents of stream.json; those of other models are passed over.
    """
    sets = {entry["set"]: entry for entry in report["sets"]}
    faults = [
        Finding("bad", text)
        for head, matrix in clean.items()
        for text in _faults(head, manifest.labels[head], matrix, sets["clean"][head], promised.get(head))
    ]
    told = [Finding("plain", text) for text in _heard(sets["clean"], manifest)]
    if faults:
        return Verdict(BROKEN, "Its answers do not match its labels.", (*faults, *told))
    if all(matrix.sum() < _FEWEST for matrix in clean.values()):
        return Verdict(
            UNCLEAR,
            f"Fewer than {_FEWEST} windows were measured. That is too few for a verdict.",
            tuple(told),
        )
    if KEYWORD_HEAD not in clean:
        if sets["clean"][SCENE_HEAD]["accuracy"] < _GOOD_SCENES:
            return Verdict(WEAK, "It recognises too few scenes; words were not measured.", tuple(told))
        return Verdict(WORKS, "It recognises the scenes; words were not measured.", tuple(told))
    in_noise, robust = _in_noise(sets)
    listened = long_run(streams, manifest.hash)
    false_alarms = _false_alarms(manifest, clean[KEYWORD_HEAD])
    findings = (*listened.findings, *told, *in_noise, *_elsewhere(sets), *false_alarms)
    if (accuracy := sets["clean"][KEYWORD_HEAD]["accuracy"]) < _GOOD_WORDS:
        sentence = f"Even without noise only {100 * accuracy:.1f} % of the words are right."
        return Verdict(WEAK, sentence, findings)
    if robust is False:
        sentence = "It recognises its words without noise, but too few of them in noise."
        return Verdict(WEAK_IN_NOISE, sentence, findings)
    if listened.problem is not None:
        word = {FIRES: FIRES_TOO_OFTEN, MISSES: WEAK}.get(listened.problem, UNCLEAR)
        return Verdict(word, listened.sentence, findings)
    if robust is None:
        return Verdict(
            WORKS, "It recognises its words without noise; words in noise were not measured.", findings
        )
    return Verdict(WORKS, "It recognises its words, also in noise, and has few false accepts.", findings)


def _faults(
    head: str, labels: Sequence[str], matrix: Confusion, figure: dict[str, Any], promised: float | None
) -> Iterator[str]:
    """What no working model does."""
    total = int(matrix.sum())
    if total < _FEWEST:
        return
    said = matrix.sum(axis=0) / total
    favourite = int(said.argmax())
    if said[favourite] >= _ONE_ANSWER and said[favourite] - matrix.sum(axis=1)[favourite] / total > 0.3:
        yield f"{head}: its answer is {labels[favourite]} for {100 * said[favourite]:.0f} % of all windows."
    there = matrix.sum(axis=1) > 0
    recall = float(np.mean(np.diag(matrix)[there] / matrix.sum(axis=1)[there]))
    by_luck = 1 / len(labels)
    if len(labels) > 1 and (recall - by_luck) / (1 - by_luck) < _NO_SKILL:
        yield f"{head}: it is hardly better than guessing: {100 * recall:.0f} % of each label are right."
    names, right = _best_names(matrix)
    accuracy = figure["accuracy"]
    if right - accuracy > _EXCHANGE_GAIN and right > _EXCHANGE_ACCURACY:
        swapped = [f"{labels[n]} comes out as {labels[name]}" for n, name in names.items() if n != name]
        more = f" and {len(swapped) - 3} more" if len(swapped) > 3 else ""
        yield (
            f"{head}: its labels are exchanged: {', '.join(swapped[:3])}{more}. "
            f"Under other names {100 * right:.0f} % of its answers would be right."
        )
    if promised is not None and figure["ci95"][1] < promised - _BELOW_PROMISE:
        yield (
            f"{head}: {100 * accuracy:.1f} % here, but the model file states "
            f"{100 * promised:.1f} % on validation."
        )


def _best_names(matrix: Confusion) -> tuple[dict[int, int], float]:
    """The one-to-one naming of the answers that fits best, and the share that it would get right.

    Greedy by shares of each row, which is exact wherever one answer has most of a row.
    """
    shares = matrix / np.maximum(1, matrix.sum(axis=1, keepdims=True))
    names: dict[int, int] = {}
    for n in np.argsort(-shares, axis=None, kind="stable"):
        row, column = divmod(int(n), len(matrix))
        if row not in names and column not in names.values() and matrix[row].any():
            names[row] = column
    return names, sum(int(matrix[row, column]) for row, column in names.items()) / int(matrix.sum())


def _heard(clean: dict[str, Any], manifest: Manifest) -> Iterator[str]:
    if words := clean.get(KEYWORD_HEAD):
        each = {
            word: words["per_class"][word] for word in manifest.trained_keywords if word in words["per_class"]
        }
        text = f"Clean, {100 * words['accuracy']:.1f} % of {words['n']} words are right"
        if each:
            weakest = min(each, key=lambda word: each[word]["accuracy"])
            least = each[weakest]
            text += f"; the weakest is {weakest} with {100 * least['accuracy']:.1f} % of {least['n']}"
        yield text + "."
    if scenes := clean.get(SCENE_HEAD):
        yield f"Scenes alone: {100 * scenes['accuracy']:.1f} % of {scenes['n']} seconds are right."


def _in_noise(sets: dict[str, dict[str, Any]]) -> tuple[list[Finding], bool | None]:
    """Findings, and whether it loses no more, beyond chance, than a network that never heard noise does;
    None: not tried.
    """
    findings = []
    robust = None
    clean = sets["clean"][KEYWORD_HEAD]["accuracy"]
    for background in ("scenes", "noise"):
        tried = {
            entry["snr_db"]: entry[KEYWORD_HEAD]
            for entry in sets.values()
            if entry["kind"] == "waveform" and entry["with"] == background and entry["snr_db"] <= _NOISY_DB
        }
        if not tried:
            continue
        losses = {snr_db: clean - figure["accuracy"] for snr_db, figure in tried.items()}
        surely = {snr_db: clean - figure["ci95"][1] for snr_db, figure in tried.items()}
        worst = max(tried, key=lambda snr_db: losses[snr_db] - FOR_SILENCE.loss(snr_db))
        fine = all(surely[snr_db] <= FOR_SILENCE.loss(snr_db) for snr_db in tried)
        good = losses[worst] <= FOR_NOISE.loss(worst) + _WORTH_TELLING
        findings.append(
            Finding(
                "bad" if not fine else "good" if good else "plain",
                f"With {background} at {worst:g} dB it loses {100 * losses[worst]:.1f} points; "
                f"{FOR_NOISE.name} lost {100 * FOR_NOISE.loss(worst):.1f}, trained clean "
                f"{100 * FOR_SILENCE.loss(worst):.1f}.",
            )
        )
        robust = fine and robust is not False
    return findings, robust


_ELSEWHERE = {
    "gain+20": "20 dB louder (and clipped at full scale)",
    "gain-20": "20 dB quieter",
    "band": "through a telephone's band",
    "room": "in rooms with an echo",
    "shift50": "shifted by up to 50 ms",
    "shift100": "shifted by up to 100 ms",
}


def _elsewhere(sets: dict[str, dict[str, Any]]) -> Iterator[Finding]:
    clean = sets["clean"][KEYWORD_HEAD]["accuracy"]
    small = []
    for name, words in _ELSEWHERE.items():
        if name not in sets:
            continue
        loss = clean - sets[name][KEYWORD_HEAD]["accuracy"]
        if loss >= _WORTH_TELLING:
            yield Finding(
                "bad" if loss >= _LOSES_MUCH else "plain", f"It loses {100 * loss:.1f} points {words}."
            )
        else:
            small.append(words)
    if small:
        yield Finding("good", f"It loses less than {100 * _WORTH_TELLING:g} points {'; '.join(small)}.")


def _false_alarms(manifest: Manifest, matrix: Confusion) -> Iterator[Finding]:
    labels = manifest.labels[KEYWORD_HEAD]
    if UNKNOWN not in labels or not (total := matrix[labels.index(UNKNOWN)].sum()):
        return
    taken = sum(matrix[labels.index(UNKNOWN), labels.index(word)] for word in manifest.trained_keywords)
    share = taken / total
    yield Finding(
        "bad" if share > _LOSES_MUCH else "plain",
        f"Of {total} other words it takes {100 * share:.1f} % for a keyword (without thresholds).",
    )
