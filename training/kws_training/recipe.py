"""Recipes: one TOML file tells everything that makes a run, with no hidden default."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import tomli_w
import tomllib

from kws_device.errors import InputError
from kws_device.front_end import MelConfig
from kws_device.strict import build, plain


@dataclass(frozen=True)
class ModelConfig:
    """The network's size."""

    stem: int
    """Filters of the first convolution, over time and frequency."""
    planes: tuple[int, ...]
    """Filters of each residual block over time and frequency; each halves the bands."""
    channels: tuple[int, ...]
    """Channels of each residual block over time; all but the first halve the frames."""
    kernel: int
    """Frames that a convolution over time sees."""
    dropout: float
    """Share of the pooled features dropped before the heads."""


@dataclass(frozen=True)
class EpochConfig:
    """What an epoch is made of: every keyword clip once or more, and shares of the whole for the rest."""

    least_windows: int
    """Few keyword clips are repeated, drawn anew each time, until an epoch has so many windows."""
    unknown_share: float
    """Other words, rare ones drawn more often than they were recorded (by the root of their count)."""
    negatives_share: float
    """Windows of continuous speech, as `_unknown_`; zero without such a folder."""
    silence_share: float
    """Background alone, or next to nothing, as `_silence_`."""

    def __post_init__(self) -> None:
        """Raises ValueError for shares that leave nothing for the keywords."""
        shares = (self.unknown_share, self.negatives_share, self.silence_share)
        if min(shares) < 0 or sum(shares) >= 1:
            raise ValueError("the shares must not be negative, and their sum must be below 1")


@dataclass(frozen=True)
class AugmentationConfig:
    """What happens to a training window, in this order."""

    shift_ms: float
    """A clip is moved by up to so much either way."""
    fragment_share: float
    """Share of clips moved so far that a part of the word is cut off; it becomes `_unknown_`."""
    neighbour_share: float
    """Share of clips that have a part of another clip before or behind them, as in running speech."""
    clean_share: float
    """Share of windows without background."""
    scene_share: float
    """Share of the backgrounds that come from scenes rather than from noise."""
    snr_min_db: float
    """Lowest signal-to-noise ratio."""
    snr_max_db: float
    """Highest signal-to-noise ratio."""
    scene_label_snr_db: float
    """Up to this ratio a scene counts as audible and trains its head."""
    gain_db: float
    """The sum is made louder or softer by up to so much."""
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
    """Passes over the keyword clips."""
    batch_size: int
    """Windows per step."""
    learning_rate: float
    """At its peak."""
    warmup_share: float
    """Share of the steps from zero to the peak."""
    weight_decay: float
    """Decoupled, of AdamW."""
    label_smoothing: float
    """Share of each keyword target spread over all labels."""
    scene_loss_weight: float
    """Weight of the scene head's loss beside the keyword head's."""

    def __post_init__(self) -> None:
        """Raises ValueError for values that train nothing."""
        if self.epochs < 1 or self.batch_size < 1:
            raise ValueError("epochs and batch_size must be at least 1")
        if not 0 <= self.warmup_share < 1:
            raise ValueError("warmup_share must be at least 0 and below 1")


@dataclass(frozen=True)
class DecoderDefaults:
    """What the manifest tells the decoder before thresholds are tuned on data."""

    decision_ms: float
    """From one decision to the next."""
    keyword_smoothing_s: float
    """Keyword scores are averaged over this time."""
    scene_smoothing_s: float
    """Scene scores are averaged over this time."""
    refractory_s: float
    """Silence of a keyword after its score fell."""
    threshold: float
    """Of every keyword."""


@dataclass(frozen=True)
class Provenance:
    """`NAME; LICENCE` of each folder for the manifest; empty: what its layout is known for."""

    speech: str
    scenes: str
    negatives: str
    noise: str


@dataclass(frozen=True)
class Recipe:
    """Everything that makes a run, but for the folders of data."""

    name: str
    """Also the model's name in its manifest."""
    about: str
    """A sentence for `kws-train --list`."""
    seed: int
    """Of the weights, the windows and their order."""
    keywords: tuple[str, ...]
    """Words that become events; all other words are `_unknown_`."""
    front_end: MelConfig
    model: ModelConfig
    epoch: EpochConfig
    augmentation: AugmentationConfig
    optimisation: OptimisationConfig
    decoder: DecoderDefaults
    provenance: Provenance


def _recipes() -> Path:
    return Path(str(resources.files(__package__) / "recipes"))


def names() -> list[str]:
    """The recipes that come with the kit."""
    return sorted(path.stem for path in _recipes().glob("*.toml"))


def load(name: str, overrides: dict[str, Any] | None = None) -> Recipe:
    """A recipe by its name or from a TOML file, with overrides applied.

    Args:
        name: one of `names()` or the path of a TOML file.
        overrides: values by dotted key, for example {"optimisation.epochs": 5}.

    Raises:
        InputError: no such recipe, not TOML, or a key missing, unknown or of another type.
    """
    path = Path(name) if name.endswith(".toml") else _recipes() / f"{name}.toml"
    if not path.is_file() or (not name.endswith(".toml") and name not in names()):
        raise InputError(f"{name}: no such recipe; known are {', '.join(names())}, or name a .toml file")
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not TOML ({error})") from error
    for key, value in (overrides or {}).items():
        table: Any = data
        *parents, last = key.split(".")
        for parent in parents:
            table = table.get(parent) if isinstance(table, dict) else None
        if not isinstance(table, dict) or last not in table:
            raise InputError(f"{key}: no such key in recipe {name}")
        table[last] = value
    return build(Recipe, data, str(path))


def override(text: str) -> tuple[str, Any]:
    """KEY=VALUE of the command line, the value in TOML; a bare word is a string.

    Raises:
        InputError: no `=` in it.
    """
    key, equals, value = text.partition("=")
    if not equals:
        raise InputError(f"--set {text}: write KEY=VALUE")
    try:
        return key.strip(), tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return key.strip(), value


def to_toml(recipe: Recipe) -> str:
    """The resolved recipe as TOML; `load` reads it back."""
    return tomli_w.dumps(plain(recipe))
