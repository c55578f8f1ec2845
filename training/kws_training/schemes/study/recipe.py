"""The recipe of the study's scheme."""

from __future__ import annotations

from dataclasses import dataclass, replace

from kws_device._support.schema import check_range
from kws_device.front_end import MelConfig
from kws_device.model.manifest import KEYWORD_HEAD, SCENE_HEAD

from ...data.layouts import FOLDS
from ...data.splits import SPLITS
from ...recipes.format import Format
from ...recipes.parts import (
    LARGEST_SEED,
    MOST_EPOCHS,
    DecoderDefaults,
    ExportLimits,
    Provenance,
    check_epochs,
    check_fields,
    check_words,
)

VARIANTS = ("documented", "as-run")
"""Of a recipe: as the study's text says, and with what its code did otherwise."""
_FEWEST_FRAMES = 115
"""Of which `valid` pools leave anything: 115 -> 39 -> 19 -> 7 -> 3 -> 1, see network.alexnet."""


@dataclass(frozen=True)
class DataConfig:
    """What is taken from the folders."""

    folds: str
    """Of UrbanSound8K: `documented` or `as-run` (the code mistook list positions for fold numbers)."""
    allow_leaks: bool
    """Whether a speaker or source recording may be in two splits; it is named all the same."""
    least_share: float
    """Without `keywords`, all words with this share of the most frequent word's training clips."""
    scene_ms: float
    """Length of a scene before a window is cut from it; shorter ones are mirrored, longer ones cut."""

    def __post_init__(self) -> None:
        """Raises ValueError for folds that nobody knows, or a value out of its range."""
        check_fields(self, 0, 1, "least_share")
        check_fields(self, 50, 600_000, "scene_ms")
        if self.folds not in FOLDS:
            raise ValueError(f"folds must be one of {', '.join(FOLDS)}")


@dataclass(frozen=True)
class NormalisationConfig:
    """From which decibels mean and standard deviation are taken."""

    per_dataset: bool
    """Keywords and scenes each their own (the export carries the keywords'), or one for both."""
    splits: tuple[str, ...]
    """The splits that are looked at."""

    def __post_init__(self) -> None:
        """Raises ValueError for splits that do not exist."""
        if not self.splits or set(self.splits) - set(SPLITS):
            raise ValueError(f"splits must be some of {', '.join(SPLITS)}")


@dataclass(frozen=True)
class SpectrogramAugmentation:
    """What happens to a dataset's batch before it is mixed, in this order; zero switches a step off."""

    erase_prob: float
    """A rectangle of an example is replaced by noise (Random Erasing, Cutout)."""
    erase_area: tuple[float, ...]
    """Smallest and largest share of the spectrogram."""
    erase_aspect: float
    """The rectangle's sides differ by up to this factor."""
    shift_share: float
    """Moved by up to this share of the frames either way, the edge repeated."""
    flip_prob: float
    """The time of an example is reversed."""
    mixup_alpha: float
    """Of the beta distribution from which the weight of two examples of one dataset is drawn."""

    def __post_init__(self) -> None:
        """Raises ValueError for what no spectrogram can be put through."""
        check_fields(self, 0, 1, "erase_prob", "shift_share", "flip_prob")
        check_fields(self, 0, 100, "mixup_alpha")
        check_fields(self, 1, 100, "erase_aspect")
        if len(self.erase_area) != 2 or not 0 < self.erase_area[0] <= self.erase_area[1] <= 1:
            raise ValueError("erase_area must be two shares, the smaller first")


@dataclass(frozen=True)
class MixingConfig:
    """How the batches of the two datasets become one."""

    ratio: tuple[float, ...]
    """Weights of keywords and scenes."""
    randomness: float
    """R: a batch's weights differ from the ratio by one k ~ U(-R, R)."""
    opposite: bool
    """r_a + k and r_b - k as documented; as run r_a + k and r_b + k."""
    scale_labels: bool
    """Whether labels are multiplied by the weights, and the tasks' losses with them."""

    def __post_init__(self) -> None:
        """Raises ValueError for what is no ratio."""
        _check_ratio(self.ratio, self.randomness)


def _check_ratio(ratio: tuple[float, ...], randomness: float) -> None:
    if len(ratio) != 2 or not 0 <= min(ratio) <= max(ratio) <= 1 or max(ratio) == 0:
        raise ValueError("ratio must be two weights from 0 to 1, not both zero")
    check_range("randomness", randomness, 0, 1)


@dataclass(frozen=True)
class MixedEvaluation:
    """The mixed column of the study's table."""

    ratio: tuple[float, ...]
    """Weights of keywords and scenes."""
    randomness: float
    """Each window's weights differ by its own k ~ U(-R, R), with opposite signs: they add up in all rows."""

    def __post_init__(self) -> None:
        """Raises ValueError for what is no ratio."""
        _check_ratio(self.ratio, self.randomness)


@dataclass(frozen=True)
class AlexNetConfig:
    """The study's network."""

    heads: tuple[str, ...]
    """keyword, scene or both."""
    frozen_heads: bool
    """Whether the dense heads keep their random first weights, as in the joint runs of the study's code."""
    pool_padding: str
    """`valid` as published; `same` where a clip has too few frames for the last pool."""
    dense: int
    """Units of each of a head's two hidden layers."""
    dropout: float
    """After each of them."""

    def __post_init__(self) -> None:
        """Raises ValueError for heads that nobody knows."""
        if not self.heads or set(self.heads) - {KEYWORD_HEAD, SCENE_HEAD}:
            raise ValueError(f"heads must be {KEYWORD_HEAD}, {SCENE_HEAD} or both")
        if self.pool_padding not in ("valid", "same"):
            raise ValueError("pool_padding must be valid or same")
        check_fields(self, 1, 65_536, "dense")
        check_fields(self, 0, 0.99, "dropout")


@dataclass(frozen=True)
class CyclicOptimisation:
    """Adam under a triangular learning rate."""

    epochs: int
    """Passes over the larger dataset."""
    batch_size: int
    """Examples per step."""
    learning_rate_min: float
    """Where a cycle begins and ends."""
    learning_rate_max: float
    """In its middle."""
    half_cycle_epochs: float
    """From the lowest to the highest rate."""

    def __post_init__(self) -> None:
        """Raises ValueError for values that train nothing."""
        check_fields(self, 1, MOST_EPOCHS, "epochs")
        check_fields(self, 1, 65_536, "batch_size")
        check_fields(self, 0, 10, "learning_rate_min", "learning_rate_max")
        check_fields(self, 1e-3, MOST_EPOCHS, "half_cycle_epochs")


@dataclass(frozen=True)
class FineTuningConfig:
    """Heads that are trained again, one after the other, all else frozen."""

    base: str
    """The name of the recipe whose run is the start: this one without fine-tuning."""
    heads: tuple[str, ...]
    """In their order, the keyword head on ratio (1, 0), the scene head on (0, 1); none: no fine-tuning."""
    epochs: int
    """For each head."""
    randomness: float
    """R at those ratios: 0 as documented; as run its default of 0.2 was in force."""

    def __post_init__(self) -> None:
        """Raises ValueError for what cannot be fine-tuned."""
        check_fields(self, 0, MOST_EPOCHS, "epochs")
        check_fields(self, 0, 1, "randomness")
        if self.heads and (self.epochs < 1 or not self.base):
            raise ValueError("fine-tuning needs a base and at least 1 epoch")


@dataclass(frozen=True)
class StudyRecipe:
    """Everything that makes a run of the study, but for the folders of data."""

    name: str
    """The row of the study's table."""
    about: str
    """A sentence for `kws-train --list`."""
    scheme: str
    """`spectrogram`."""
    variant: str
    """`documented` as the text says; `as-run` with what the code did otherwise."""
    seed: int
    """Of the weights, the windows and their order."""
    keywords: tuple[str, ...]
    """The closed set of words; none: those that `data.least_share` leaves."""
    front_end: MelConfig
    data: DataConfig
    normalisation: NormalisationConfig
    augmentation: SpectrogramAugmentation
    mixing: MixingConfig
    evaluation: MixedEvaluation
    model: AlexNetConfig
    optimisation: CyclicOptimisation
    fine_tuning: FineTuningConfig
    decoder: DecoderDefaults
    export: ExportLimits
    provenance: Provenance

    def __post_init__(self) -> None:
        """Raises ValueError where a value means nothing, or the parts do not fit each other."""
        check_fields(self, 0, LARGEST_SEED, "seed")
        check_words(self.keywords)
        if unknown := set(self.fine_tuning.heads) - set(self.model.heads):
            raise ValueError(f"fine_tuning.heads: the model has no head {', '.join(sorted(unknown))}")
        if KEYWORD_HEAD in self.model.heads and not self.uses_speech:
            raise ValueError("mixing.ratio leaves nothing to train the keyword head on")
        if SCENE_HEAD in self.model.heads and self.mixing.ratio[1] == 0 and len(self.model.heads) == 1:
            raise ValueError("mixing.ratio leaves nothing to train the scene head on")
        if self.model.pool_padding == "valid" and self.front_end.frames < _FEWEST_FRAMES:
            raise ValueError(
                f"model.pool_padding: `valid` leaves nothing of {self.front_end.frames} frames for the last "
                f"pool, which needs {_FEWEST_FRAMES}; set it to `same`"
            )

    @property
    def uses_speech(self) -> bool:
        """Whether it trains on keywords."""
        return self.mixing.ratio[0] > 0

    @property
    def uses_scenes(self) -> bool:
        """Whether it trains on scenes, with or without their labels."""
        return self.mixing.ratio[1] > 0 or SCENE_HEAD in self.model.heads


FORMAT = Format("spectrogram", StudyRecipe, "study", VARIANTS)


def with_epochs(recipe: StudyRecipe, epochs: int) -> StudyRecipe:
    """The recipe with so many epochs, for every head that it fine-tunes, too.

    Raises:
        InputError: as `check_epochs`.
    """
    check_epochs(epochs)
    tuning = recipe.fine_tuning
    return replace(
        recipe,
        optimisation=replace(recipe.optimisation, epochs=epochs),
        fine_tuning=replace(tuning, epochs=epochs) if tuning.heads else tuning,
    )
