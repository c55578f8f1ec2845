"""The recipe of a verifier."""

from __future__ import annotations

from dataclasses import dataclass, replace

from kws_device.front_end import MelConfig

from ...recipes.augmentation import Augmentation
from ...recipes.format import Format
from ...recipes.parts import Optimisation, check_epochs, check_fields, without_keywords
from ..kit.recipe import ModelConfig


@dataclass(frozen=True)
class LookConfig:
    """When the verifier looks, and at what."""

    clip_ms: float
    """Length of the stretch that it sees."""
    delay_ms: float
    """From the candidate's decision to the end of that stretch."""
    looks: int
    """Consecutive decisions that look; their log-odds are averaged."""
    candidate_smoothing_s: float
    """The first network's scores are averaged over this time before they make a candidate."""
    candidate_threshold: float
    """Smoothed score of the first network that makes a candidate, of every keyword."""
    false_accepts_per_hour: float
    """What the thresholds are tuned to, on the mined stretches of validation."""


@dataclass(frozen=True)
class EpochConfig:
    """What an epoch is made of: so many windows, and shares of them; keywords said alone are the rest."""

    windows: int
    """Windows of an epoch."""
    synthetic_prob: float
    """A synthetic voice says a word; none without such a folder."""
    other_share: float
    """Other words said alone."""
    sentence_share: float
    """Keywords joined to running speech without a pause."""
    fragment_share: float
    """Keywords without their beginning or their end."""
    talk_share: float
    """Continuous speech."""
    pieces_prob: float
    """Such a window holds one piece as long as a word, with silence around it."""
    hard_share: float
    """Stretches at which the first network fires (`kws-data mine`)."""
    silence_share: float
    """Background alone."""
    cached_epochs: int
    """Epochs that are drawn; later ones repeat them with other masks."""

    def __post_init__(self) -> None:
        """Raises ValueError for shares that leave nothing for the keywords, or no epoch to repeat."""
        if self.windows < 1 or self.cached_epochs < 1:
            raise ValueError("windows and cached_epochs must be at least 1")
        shares = (
            self.other_share,
            self.sentence_share,
            self.fragment_share,
            self.talk_share,
            self.hard_share,
            self.silence_share,
        )
        if min(shares) < 0 or sum(shares) >= 1:
            raise ValueError("the shares must not be negative, and their sum must be below 1")
        if not 0 <= self.synthetic_prob < 1 or not 0 <= self.pieces_prob <= 1:
            raise ValueError("synthetic_prob and pieces_prob must be probabilities")


@dataclass(frozen=True)
class PlacementConfig:
    """Where a word lies in the window, and what makes it stand alone."""

    behind_min_s: float
    """Shortest time from the word's end to the window's."""
    behind_max_s: float
    """Longest time from the word's end to the window's."""
    pause_s: float
    """Shortest pause between a word that stands alone and what was said before it."""
    gap_s: float
    """Longest gap between a word and the sentence that it is in."""
    context_prob: float
    """Something was said before a word that stands alone, a pause earlier."""


@dataclass(frozen=True)
class VerifierAugmentation(Augmentation):
    """What happens to a training window (`steps` says in which order), with what this scheme alone does."""

    noisy_speech_prob: float
    """Noise is added to continuous speech and to mined stretches."""
    vtlp: float
    """Formants lie higher or lower by up to this share, anew in every epoch: other speakers."""

    def __post_init__(self) -> None:
        """Raises ValueError for what no window can be put through."""
        super().__post_init__()
        check_fields(self, 0, 1, "noisy_speech_prob")
        check_fields(self, 0, 0.3, "vtlp")


@dataclass(frozen=True)
class VerifierOptimisation(Optimisation):
    """How the network is fitted."""

    hard_weight: float
    """What a mined stretch counts in the last epoch; it grows from 1 over training."""

    def __post_init__(self) -> None:
        """Raises ValueError for values that train nothing."""
        super().__post_init__()
        check_fields(self, 0, 1000, "hard_weight")


@dataclass(frozen=True)
class VerifierRecipe:
    """Everything that makes a verifier, but for its first network and the folders of data."""

    name: str
    """Of the recipe."""
    about: str
    """A sentence for `kws-train --list`."""
    scheme: str
    """`verifier`."""
    seed: int
    """Of the windows and their order."""
    keywords: tuple[str, ...]
    """The first network's."""
    held_out_words: tuple[str, ...]
    """Words whose clips train nothing, so that words never heard can be measured with them; keywords are
    taken out of them."""
    front_end: MelConfig
    """The first network's."""
    model: ModelConfig
    look: LookConfig
    epoch: EpochConfig
    placement: PlacementConfig
    augmentation: VerifierAugmentation
    optimisation: VerifierOptimisation

    def __post_init__(self) -> None:
        """Take keywords out of the words that train nothing."""
        # As the dataclass itself sets a frozen field.
        object.__setattr__(self, "held_out_words", without_keywords(self.held_out_words, self.keywords))

    @property
    def stretch(self) -> MelConfig:
        """The front end over the stretch that the verifier sees."""
        return replace(self.front_end, clip_ms=self.look.clip_ms)


FORMAT = Format("verifier", VerifierRecipe, "verifier", added={"augmentation.vtlp": 0.0})


def with_epochs(recipe: VerifierRecipe, epochs: int) -> VerifierRecipe:
    """The recipe with so many epochs. Raises InputError as `check_epochs`."""
    check_epochs(epochs)
    return replace(recipe, optimisation=replace(recipe.optimisation, epochs=epochs))
