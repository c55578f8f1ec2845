"""The stages from recordings of a word to its model file."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import soundfile
from tqdm import tqdm

from kws_device import InputError
from kws_device._support import atomic
from kws_device._support.schema import json_text
from kws_device.model import model_file

from ..data import mined, tts
from ..data.corpus import paths_below
from ..data.layouts import read_dataset
from ..data.splits import background_splits
from ..mining.mine import NothingMinedError, Plan, mine
from ..schemes.verifier.recipe import FORMAT as VERIFIER_FORMAT
from . import words
from .plan import OwnPlan
from .stages import Progress, Stage, program, run_stages
from .thresholds import check_rate, false_scores, thresholds, with_thresholds

RECIPE = "own-words"
START = "kws-float"
"""The shipped model whose weights the first network and the verifier start from."""
VERIFIER_RECIPE = "verifier"
VERIFIER_EPOCHS = 8
_VERIFIER = {
    "epoch.windows": 8000,  # a few words take less than eight, and it starts from a finished verifier
    "epoch.synthetic_prob": 0.5,  # a few takes of each word are no more variety than synthetic voices
    "optimisation.learning_rate": 5e-4,
    "augmentation.vtlp": 0.0,  # not measured with a few takes yet
}
"""What is different from the recipe that makes a verifier from hours of recordings."""
FILES = ("kws.tflite", "kws.onnx")
_EXPORTED_BY = "kws-export"
_MINUTES = {
    "words": 0.3,
    "voices": 2.0,
    "train": 5.0,
    "export": 1.0,
    "mine": 0.5,
    "verify": 5.0,
    "report": 1.5,
}


def make_own(plan: OwnPlan) -> None:
    """Make a model of one's own words, stage by stage; what an earlier call has done is kept.

    Raises:
        InputError: input that does not fit, or a stage that refused its own; the next call goes on there.
    """
    if plan.speech is not None:
        words.check_takes(plan.speech, plan.keywords)
    held_out = [path for folder in plan.sound for path in _of_split(folder, "validation")]
    if held_out:
        check_rate(plan.false_accepts_per_hour, _hours(held_out))
    plan.begin()
    run_stages(_stages(plan, held_out), plan.work)


def _stages(plan: OwnPlan, held_out: Sequence[Path]) -> list[Stage]:
    made = _Made(plan, held_out)
    stages = [
        Stage("words", "finding the words in their takes", _MINUTES["words"], made.words),
        Stage("voices", "letting synthetic voices speak", _MINUTES["voices"], made.voices),
        Stage("train", "training", _MINUTES["train"], made.train),
        Stage("export", "converting", _MINUTES["export"], made.export),
    ]
    if plan.sound:
        stages += [
            Stage("mine", "listening for what it takes for its words", _MINUTES["mine"], made.mine),
            Stage("verify", "training the verifier", _MINUTES["verify"], made.verify),
        ]
    return [
        *stages,
        Stage("thresholds", "choosing thresholds", _MINUTES["mine"], made.thresholds),
        Stage("report", "writing the report", _MINUTES["report"], made.report),
    ]


class _Made:
    """What each stage does, and where it leaves it."""

    def __init__(self, plan: OwnPlan, held_out: Sequence[Path]) -> None:
        self._plan = plan
        self._held_out = held_out
        work = plan.work
        self._takes = None if plan.speech is None else work / "takes"
        self._said, self._speech, self._voices = work / "said", work / "speech", work / "voices"
        self._first, self._verifier = work / "first", work / "verifier"
        self._mined = {"train": work / "mined", "validation": work / "mined-validation"}
        self._exported, self._verified = work / "exported", work / "verified"

    def words(self, progress: Progress) -> None:
        if self._plan.speech is not None and self._takes is not None:
            words.cut_takes(self._plan.speech, self._plan.keywords, self._takes)

    def voices(self, progress: Progress) -> None:
        plan = self._plan
        if not self._said.is_dir():
            spoken = [word.replace("_", " ") for word in plan.keywords]
            said = self._said.with_name(".said")
            words.remove(said)
            tts.make(said, spoken, plan.voices, tts.other_words(), plan.others, plan.seed)
            for word, folder in zip(plan.keywords, spoken, strict=True):
                if (said / folder).is_dir() and word != folder:
                    (said / folder).rename(said / word)
            said.rename(self._said)
        room = [] if plan.speech is None else read_dataset(plan.speech).background
        words.arrange(self._takes, self._said, plan.keywords, self._speech, self._voices, room)

    def train(self, progress: Progress) -> None:
        plan = self._plan
        scenes = [] if plan.scenes is None else ["--scenes", plan.scenes]
        epochs = [] if plan.epochs is None else ["--epochs", plan.epochs]
        program(
            "kws-train", RECIPE, *self._sound(), *scenes, "--from", START, *epochs, *_into(self._first),
            log=plan.work / "logs" / "first.log", progress=progress,
        )  # fmt: skip

    def _sound(self) -> list[object]:
        """Options of `kws-train` that both networks take."""
        plan = self._plan
        options: list[object] = [
            "--speech", self._speech, "--keywords", ",".join(plan.keywords), "--seed", plan.seed
        ]  # fmt: skip
        for name, found in (("negatives", plan.negatives), ("noise", plan.noise)):
            options += [] if found is None else [f"--{name}", found]
        return options + (["--voices", self._voices] if any(self._voices.iterdir()) else [])

    def export(self, progress: Progress) -> None:
        program(
            _EXPORTED_BY, self._first, "--out", self._exported, log=self._plan.work / "logs" / "exported.log"
        )

    def mine(self, progress: Progress) -> None:
        look = VERIFIER_FORMAT.load(VERIFIER_RECIPE).look
        near, smoothing_s = look.candidate_threshold, look.candidate_smoothing_s
        for split, folder in self._mined.items():
            _mine(Plan(self._exported / FILES[0], self._plan.sound, near, smoothing_s, split), folder)

    def verify(self, progress: Progress) -> None:
        try:
            self._add_verifier(progress)
        except InputError as refused:
            # What is there works without it.
            tqdm.write(f"no verifier: {refused}", file=sys.stderr)

    def _add_verifier(self, progress: Progress) -> None:
        plan, log = self._plan, self._plan.work / "logs" / "verifier.log"
        hard = [folder for folder in self._mined.values() if (folder / mined.TABLE).is_file()]
        if len(hard) < len(self._mined):
            tqdm.write("nothing is taken for the words: no verifier is needed", file=sys.stderr)
            return
        epochs = VERIFIER_EPOCHS if plan.epochs is None else max(1, plan.epochs // 2)
        values = {**_VERIFIER, "look.false_accepts_per_hour": plan.false_accepts_per_hour}
        changes = [part for key, value in values.items() for part in ("--set", f"{key}={value}")]
        program(
            "kws-train", "verifier", VERIFIER_RECIPE, "--first", self._exported / FILES[0], *self._sound(),
            "--hard", *hard, *changes, "--epochs", epochs, "--from", START, *_into(self._verifier),
            log=log, progress=progress,
        )  # fmt: skip
        files = [part for name in FILES for part in ("--model", self._exported / name)]
        program(_EXPORTED_BY, "verifier", self._verifier, *files, "--out", self._verified, log=log)

    def thresholds(self, progress: Progress) -> None:
        plan = self._plan
        source = self._verified if (self._verified / FILES[0]).is_file() else self._exported
        chosen = dict(model_file.read(source / FILES[0]).manifest.decoder.thresholds)
        hours, rate = 0.0, None
        scores: dict[str, list[float]] = {}
        if self._held_out:
            scores, hours = false_scores(source / FILES[0], self._held_out)
            rate = plan.false_accepts_per_hour
            chosen = thresholds(scores, hours, rate)
            tqdm.write(_certainty(hours, rate), file=sys.stderr)
        else:
            tqdm.write(
                "thresholds are not tuned: no sound is held out; give more --negatives", file=sys.stderr
            )
        manifests = [with_thresholds(source / n, plan.out / n, chosen, rate) for n in FILES]
        metrics = {
            "keywords": list(plan.keywords),
            "false_accepts_per_hour": rate,
            "held_out_hours": round(hours, 4),
            "thresholds": chosen,
            "false_candidates": {word: len(found) for word, found in scores.items()},
            "verifier": manifests[0].verifier is not None,
            "files": {name: manifest.hash for name, manifest in zip(FILES, manifests, strict=True)},
            "export": json.loads((self._exported / "export.json").read_text(encoding="utf-8"))["parity"],
        }
        atomic.write_text(plan.out / "metrics.json", json_text(metrics, indent=1) + "\n")

    def report(self, progress: Progress) -> None:
        plan = self._plan
        noise = (
            ["--noise", plan.noise] if plan.noise is not None and _of_split(plan.noise, "validation") else []
        )
        scenes = [] if plan.scenes is None else ["--scenes", plan.scenes]
        judged = ["--model", plan.out / FILES[0], "--speech", self._speech, *noise, "--split", "validation"]
        out, log = plan.out / "report", plan.work / "logs" / "report.log"
        if plan.negatives is not None and _of_split(plan.negatives, "validation"):
            # The page shows false accepts where a stream lies beside it.
            program("kws-bench", "stream", *judged, "--negatives", plan.negatives, "--out", out, log=log)
            progress(0.5)
        program("kws-bench", "robustness", *judged, *scenes, "--out", out, log=log)


def _into(run: Path) -> list[object]:
    """Options of `kws-train` for a run that is new, or goes on where it was interrupted."""
    if (run / "checkpoint.keras").is_file():
        return ["--out", run, "--resume"]
    words.remove(run)  # interrupted before there was anything to go on from
    return ["--out", run]


def _mine(plan: Plan, out: Path) -> None:
    """Mine, unless nothing is taken for the words, which is as good."""
    if (out / mined.TABLE).is_file():
        return
    try:
        mine(plan, out)
    except NothingMinedError as nothing:
        tqdm.write(f"nothing to learn from: {nothing}", file=sys.stderr)


def _of_split(folder: Path, split: str) -> list[Path]:
    paths = paths_below(folder)
    splits = background_splits(paths, folder)
    return [path for path in paths if splits[path] == split]


def _hours(paths: Sequence[Path]) -> float:
    seconds = 0.0
    for path in paths:
        try:
            seconds += soundfile.info(path).duration
        except soundfile.LibsndfileError as error:
            raise InputError(f"{path}: not audio that can be read ({error}); remove it") from error
    return seconds / 3600


def _certainty(hours: float, rate: float) -> str:
    takes = 3 / rate
    if hours >= takes:
        return f"thresholds: {rate:g} false accepts an hour, from {hours:.1f} hours of held-out sound"
    return (
        f"thresholds: {rate:g} false accepts an hour, estimated from the highest scores of {hours:.2f} hours "
        f"of held-out sound; to show it takes {takes:.0f} hours"
    )
