"""The recipe of the kit's scheme."""

from __future__ import annotations

from dataclasses import dataclass, replace

from kws_device._support.schema import check_range
from kws_device.front_end import MelConfig

from ...recipes.augmentation import Augmentation
from ...recipes.format import Format
from ...recipes.parts import (
    LARGEST_SEED,
    MOST_EPOCHS,
    DecoderDefaults,
    ExportLimits,
    Optimisation,
    Provenance,
    check_epochs,
    check_fields,
    check_words,
    without_keywords,
)

_LEAST_KEYWORDS = 0.01
"""Share of an epoch's windows that hold a recorded keyword: an epoch has every such clip once or more."""


@dataclass(frozen=True)
class ModelConfig:
    """The network's size."""

    stem: int
    """Filters of the first convolution, over time and frequency."""
    planes: tuple[int, ...]
    """Filters of each residual block over time and frequency; each halves the bands, and all but the
    first the frames."""
    channels: int
    """Channels of the convolutions over time."""
    blocks: int
    """Residual blocks over time, of two separable convolutions each."""
    kernel: int
    """Frames that a convolution over time sees."""
    dropout: float
    """Share of the pooled features dropped before the heads."""

    def __post_init__(self) -> None:
        """Raises ValueError for a network that cannot be built."""
        check_fields(self, 1, 4096, "stem", "channels")
        check_range("the number of planes", len(self.planes), 1, 8)
        for filters in self.planes:
            check_range("planes", filters, 1, 4096)
        check_fields(self, 0, 100, "blocks")
        check_fields(self, 1, 1000, "kernel")
        check_fields(self, 0, 0.99, "dropout")


@dataclass(frozen=True)
class EpochConfig:
    """What an epoch is made of: every keyword clip once or more, and shares of the whole for the rest."""

    least_windows: int
    """Few keyword clips are repeated, drawn anew each time, until an epoch has so many windows."""
    unknown_share: float
    """Other words, rare ones drawn more often than they were recorded (by the root of their count)."""
    synthetic_keywords_share: float
    """Share of the keywords that synthetic voices say; none without such a folder."""
    synthetic_unknown_share: float
    """Share of the other words that synthetic voices say; none without such a folder."""
    negatives_share: float
    """Windows of continuous speech, as `_unknown_`; zero without such a folder."""
    pieces_prob: float
    """Such a window holds one piece as long as a word, with silence around it."""
    hard_share: float
    """Share of the epoch that stretches of mined sound (`--hard`) take beside all others, as `_unknown_`;
    zero without such a folder."""
    hard_weight: float
    """What one of them counts beside any other window."""
    silence_share: float
    """Background alone, or next to nothing, as `_silence_`."""
    cached_epochs: int
    """Epochs that are drawn; later ones repeat them with other masks. A GiB of memory keeps eight epochs of
    17,000 windows. What does not fit into half of the free memory is drawn again each time: slower, but the
    same."""

    def __post_init__(self) -> None:
        """Raises ValueError for shares that leave nothing for the keywords, or no epoch to repeat."""
        check_fields(self, 1, MOST_EPOCHS, "cached_epochs")
        check_fields(self, 0, 10_000_000, "least_windows")
        check_fields(self, 0, 1, "unknown_share", "negatives_share", "silence_share", "pieces_prob")
        check_fields(self, 0, 1, "synthetic_keywords_share", "synthetic_unknown_share")
        check_fields(self, 0, 0.9, "hard_share")
        check_fields(self, 0, 1000, "hard_weight")
        others = self.unknown_share + self.negatives_share + self.silence_share
        if others >= 1:
            raise ValueError("the sum of unknown_share, negatives_share and silence_share must be below 1")
        if (1 - others) * (1 - self.synthetic_keywords_share) < _LEAST_KEYWORDS:
            raise ValueError(f"the shares leave less than {_LEAST_KEYWORDS:.0%} for recorded keywords")


@dataclass(frozen=True)
class KitAugmentation(Augmentation):
    """What happens to a training window (`steps` says in which order), with what this scheme alone does."""

    shift_ms: float
    """A clip is moved by up to so much either way."""
    fragment_prob: float
    """A clip is moved so far that a part of the word is cut off; it becomes `_unknown_`."""
    neighbour_prob: float
    """A clip has a part of another clip before or behind it, as in running speech."""
    scene_prob: float
    """A background comes from scenes rather than from noise."""
    scene_label_snr_db: float
    """Up to this ratio a scene counts as audible and trains its head."""

    def __post_init__(self) -> None:
        """Raises ValueError for what no window can be put through."""
        super().__post_init__()
        check_fields(self, 0, 1, "fragment_prob", "neighbour_prob", "scene_prob")
        check_fields(self, 0, 10_000, "shift_ms")
        check_fields(self, -100, 100, "scene_label_snr_db")


@dataclass(frozen=True)
class KitOptimisation(Optimisation):
    """How the network is fitted, and to which loss."""

    label_smoothing: float
    """Share of each keyword target spread over all labels."""
    balance: float
    """How far the loss makes up for the shares that labels have in training, most of which is no keyword:
    from 0, not at all, to 1, where every label counts as equally likely."""
    scene_loss_weight: float
    """Weight of the scene head's loss beside the keyword head's."""
    teacher_share: float
    """Share of each target that a teacher says who is right about it, where one is given (`--teacher`)."""

    def __post_init__(self) -> None:
        """Raises ValueError for values that train nothing."""
        super().__post_init__()
        check_fields(self, 0, 0.99, "label_smoothing")
        check_fields(self, 0, 1, "balance", "teacher_share")
        check_fields(self, 0, 100, "scene_loss_weight")


@dataclass(frozen=True)
class QuantisationConfig:
    """How the network is made ready for int8."""

    qat: bool
    """Quantisation-aware training: a trained run (`--from`) is fine-tuned with int8's rounding simulated."""


@dataclass(frozen=True)
class KitRecipe:
    """Everything that makes a run, but for the folders of data."""

    name: str
    """Also the model's name in its manifest."""
    about: str
    """A sentence for `kws-train --list`."""
    scheme: str
    """`waveform`."""
    seed: int
    """Of the weights, the windows and their order."""
    keywords: tuple[str, ...]
    """Words that become events; all other words are `_unknown_`."""
    held_out_words: tuple[str, ...]
    """Words whose clips train nothing, so that words never heard can be measured with them; keywords are
    taken out of them."""
    front_end: MelConfig
    model: ModelConfig
    epoch: EpochConfig
    augmentation: KitAugmentation
    optimisation: KitOptimisation
    quantisation: QuantisationConfig
    decoder: DecoderDefaults
    export: ExportLimits
    provenance: Provenance

    def __post_init__(self) -> None:
        """Raises ValueError where a value means nothing, or the parts do not fit each other."""
        check_fields(self, 0, LARGEST_SEED, "seed")
        if not self.keywords:
            raise ValueError("keywords: name at least one word to spot")
        check_words(self.keywords)
        # As the dataclass itself sets a frozen field.
        object.__setattr__(self, "held_out_words", without_keywords(self.held_out_words, self.keywords))
        widest = self.augmentation
        check_range("augmentation.time_mask_frames", widest.time_mask_frames, 0, self.front_end.frames)
        check_range("augmentation.mel_mask_bands", widest.mel_mask_bands, 0, self.front_end.mels)


FORMAT = Format("waveform", KitRecipe, added={"epoch.hard_share": 0.1, "epoch.hard_weight": 1.0})


def with_epochs(recipe: KitRecipe, epochs: int) -> KitRecipe:
    """The recipe with so many epochs. Raises InputError as `check_epochs`."""
    check_epochs(epochs)
    return replace(recipe, optimisation=replace(recipe.optimisation, epochs=epochs))
