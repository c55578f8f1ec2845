"""The augmentation settings that several schemes share (`signal.augment`)."""

from __future__ import annotations

from dataclasses import dataclass

from .parts import check_fields


@dataclass(frozen=True)
class Augmentation:
    """Probabilities (`_prob`) and ranges of what happens to a training window."""

    speed: float
    """Speech is played faster or slower by up to this share, its pitch with it: other speakers."""
    reverb_prob: float
    """Speech is heard in a room, a random one each time."""
    clean_prob: float
    """A word has no background."""
    babble_prob: float
    """Somebody else talks in the background, where continuous speech is given."""
    babble_snr_min_db: float
    """Lowest ratio to that talk: below it nobody could say which voice is meant."""
    snr_min_db: float
    """Lowest signal-to-noise ratio."""
    snr_max_db: float
    """Highest signal-to-noise ratio."""
    gain_db: float
    """The sum is made louder or softer by up to so much."""
    clipping_prob: float
    """The sum is cut off at full scale then, as a microphone's converter does."""
    eq_std_db: float
    """Standard deviation of the gains, smooth over the bands, of another microphone."""
    band_limit_prob: float
    """The microphone hears no highs; and, drawn apart, no lows."""
    time_masks: int
    """Number of stretches of frames that are blanked."""
    time_mask_frames: int
    """Longest of them."""
    mel_masks: int
    """Number of groups of bands that are blanked."""
    mel_mask_bands: int
    """Widest of them."""

    def __post_init__(self) -> None:
        """Raises ValueError for what no window can be put through."""
        check_fields(self, 0, 1, "speed", "reverb_prob", "clean_prob", "babble_prob", "clipping_prob")
        check_fields(self, 0, 1, "band_limit_prob")
        check_fields(self, -100, 100, "snr_min_db", "snr_max_db", "babble_snr_min_db")
        check_fields(self, 0, 100, "gain_db", "eq_std_db")
        check_fields(self, 0, 100, "time_masks", "mel_masks")
        check_fields(self, 0, 10_000, "time_mask_frames", "mel_mask_bands")
        if max(self.snr_min_db, self.babble_snr_min_db) > self.snr_max_db:
            raise ValueError("snr_max_db must be at least snr_min_db and babble_snr_min_db")
