"""Parts of a manifest that not every model has: the verifier and arming."""

from __future__ import annotations

from dataclasses import dataclass

from .._support.schema import check_range, listed
from .._support.untrusted_text import printable

MOST_LABELS = 1000
_LONGEST_NAME = 100
"""In characters: of the model or a label."""
_LONGEST_ARMED_S = 3600.0


@dataclass(frozen=True)
class VerifierConfig:
    """When a second network is asked about a candidate of the first, and what its answer means."""

    clip_ms: float
    """How much sound it sees at once, through the model's front end; at least that of the first network."""
    delay_ms: float
    """From the decision that makes a candidate to the first look at it."""
    looks: int
    """So many consecutive decisions look at a candidate; their log-odds are averaged."""
    labels: tuple[str, ...]
    """In the order of its output's values; the keywords among them."""
    softmax: bool
    """Whether it gives logits, whose softmax are the scores; else it gives the scores."""
    candidate_thresholds: dict[str, float]
    """The smoothed score of the first network that makes each keyword a candidate."""
    first_weight: float
    """Of the first network's log-odds, beside the verifier's own, which have the weight 1."""
    scale: float
    """The score of an event is sigmoid(scale * log-odds + offset)."""
    offset: float
    sha256: str
    """Of the verifier's bytes, in hexadecimal."""

    def __post_init__(self) -> None:
        """Raises ValueError where the parts do not fit each other."""
        check_range("clip_ms of the verifier", self.clip_ms, 1, 10_000)
        check_range("delay_ms", self.delay_ms, 0, 2000)
        check_range("looks", self.looks, 1, 10)
        check_range("the number of labels of the verifier", len(self.labels), 2, MOST_LABELS)
        if len(set(self.labels)) != len(self.labels):
            raise ValueError("the labels of the verifier are not distinct")
        for label in self.labels:
            check_name("a label", label)
        for word, threshold in self.candidate_thresholds.items():
            check_range(f"the candidate threshold of {word}", threshold, 0, 1)
        check_range("first_weight", self.first_weight, 0, 10)
        check_range("scale", self.scale, 1e-3, 100)
        check_range("offset", self.offset, -100, 100)


@dataclass(frozen=True)
class ArmingConfig:
    """Keywords that count only for a while after another keyword, which arms them."""

    armed_by: str
    """The keyword that arms the others."""
    armed_s: float
    """They count for so long after its event."""
    commands: tuple[str, ...]
    """The keywords that it arms. All others count at any time."""
    thresholds: dict[str, float]
    """Of commands: what their score must exceed instead of the decoder's thresholds, in every scene."""

    def __post_init__(self) -> None:
        """Raises ValueError where the parts do not fit each other."""
        check_range("armed_s", self.armed_s, 0.1, _LONGEST_ARMED_S)
        if not self.commands or len(set(self.commands)) != len(self.commands):
            raise ValueError("the commands of arming are empty or not distinct")
        if self.armed_by in self.commands:
            raise ValueError(f"{self.armed_by} cannot arm itself; take it out of the commands")
        if unknown := set(self.thresholds) - set(self.commands):
            raise ValueError(f"arming has thresholds of {listed(unknown)}, which are no commands")
        for word, threshold in self.thresholds.items():
            check_range(f"the armed threshold of {word}", threshold, 0, 1)


def check_name(what: str, name: str, longest: int = _LONGEST_NAME) -> None:
    """Raises ValueError for a name that is empty, long, or would not be printed as it is."""
    if not 0 < len(name) <= longest:
        raise ValueError(f"{what} must have 1 to {longest} characters, not {len(name)}")
    if printable(name) != name:
        raise ValueError(f"{what} holds control characters: {name!r}")
