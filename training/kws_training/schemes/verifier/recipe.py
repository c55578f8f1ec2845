"""What a recipe of a verifier says."""

from __future__ import annotations

from dataclasses import dataclass, replace

from kws_device.front_end import MelConfig

from ...recipes.format import Format
from ...recipes.parts import check_epochs
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
    synthetic_share: float
    """Share of the words that synthetic voices say; none without such a folder."""
    other_share: float
    """Other words said alone."""
    sentence_share: float
    """Keywords joined to running speech without a pause."""
    fragment_share: float
    """Keywords without their beginning or their end."""
    talk_share: float
    """Continuous speech."""
    pieces_share: float
    """Share of that which is one piece as long as a word, with silence around it."""
    hard_share: float
    """Stretches at which the first network fires (`kws-data mine`)."""
    silence_share: float
    """Background alone."""
    drawn: int
    """Epochs drawn anew; later ones repeat them with other masks."""

    def __post_init__(self) -> None:
        """Raises ValueError for shares that leave nothing for the keywords, or no epoch to repeat."""
        if self.windows < 1 or self.drawn < 1:
            raise ValueError("windows and drawn must be at least 1")
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
        if not 0 <= self.synthetic_share < 1 or not 0 <= self.pieces_share <= 1:
            raise ValueError("synthetic_share and pieces_share must be shares")


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
    context_share: float
    """Share of the words said alone that something was said before, a pause earlier."""


@dataclass(frozen=True)
class AugmentationConfig:
    """What happens to a training window, in this order."""

    speed: float
    """Words are played faster or slower by up to this share, their pitch with them."""
    room_share: float
    """Share of the speech that is heard in a room."""
    clean_share: float
    """Share of the words without background."""
    talk_share: float
    """Share of the words' backgrounds in which somebody else talks."""
    talk_snr_min_db: float
    """Lowest ratio to that talk."""
    snr_min_db: float
    """Lowest signal-to-noise ratio."""
    snr_max_db: float
    """Highest signal-to-noise ratio."""
    noisy_talk_share: float
    """Share of continuous speech and mined stretches that noise is added to."""
    gain_db: float
    """The sum is made louder or softer by up to so much."""
    clipped_share: float
    """Share of windows that are cut off at full scale then."""
    colour_db: float
    """Standard deviation of the gains, smooth over the bands, of another microphone."""
    narrow_share: float
    """Share of windows from a microphone that hears no highs, or no lows."""
    time_masks: int
    """Number of stretches of frames that are blanked."""
    time_mask_frames: int
    """Longest of them."""
    mel_masks: int
    """Number of groups of bands that are blanked."""
    mel_mask_bands: int
    """Widest of them."""


@dataclass(frozen=True)
class OptimisationConfig:
    """How the network is fitted: AdamW, linear warm-up, cosine decay to zero."""

    epochs: int
    """Passes over an epoch's windows."""
    batch_size: int
    """Windows per step."""
    learning_rate: float
    """At its peak."""
    warmup_share: float
    """Share of the steps from zero to the peak."""
    weight_decay: float
    """Decoupled, of AdamW."""
    hard_weight: float
    """What a mined stretch counts in the last epoch; it grows from 1 over training."""

    def __post_init__(self) -> None:
        """Raises ValueError for values that train nothing."""
        if self.epochs < 1 or self.batch_size < 1:
            raise ValueError("epochs and batch_size must be at least 1")
        if not 0 <= self.warmup_share < 1:
            raise ValueError("warmup_share must be at least 0 and below 1")


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
    left_out: tuple[str, ...]
    """Words whose clips train nothing, so that words never heard can be measured with them."""
    front_end: MelConfig
    """The first network's."""
    model: ModelConfig
    look: LookConfig
    epoch: EpochConfig
    placement: PlacementConfig
    augmentation: AugmentationConfig
    optimisation: OptimisationConfig

    @property
    def stretch(self) -> MelConfig:
        """The front end over the stretch that the verifier sees."""
        return replace(self.front_end, clip_ms=self.look.clip_ms)


FORMAT = Format("verifier", VerifierRecipe, "verifier")


def with_epochs(recipe: VerifierRecipe, epochs: int) -> VerifierRecipe:
    """The recipe with so many epochs. Raises InputError as `check_epochs`."""
    check_epochs(epochs)
    return replace(recipe, optimisation=replace(recipe.optimisation, epochs=epochs))
