"""Keys of recipes that had other names in earlier versions."""

from __future__ import annotations

from typing import Any

from kws_device import InputError

RENAMED = {
    "left_out": "held_out_words",
    "epoch.drawn": "epoch.cached_epochs",
    "epoch.pieces_share": "epoch.pieces_prob",
    "epoch.synthetic_share": "epoch.synthetic_prob",
    "placement.context_share": "placement.context_prob",
    "augmentation.room_share": "augmentation.reverb_prob",
    "augmentation.fragment_share": "augmentation.fragment_prob",
    "augmentation.neighbour_share": "augmentation.neighbour_prob",
    "augmentation.clean_share": "augmentation.clean_prob",
    "augmentation.scene_share": "augmentation.scene_prob",
    "augmentation.talk_share": "augmentation.babble_prob",
    "augmentation.talk_snr_min_db": "augmentation.babble_snr_min_db",
    "augmentation.noisy_talk_share": "augmentation.noisy_speech_prob",
    "augmentation.clipped_share": "augmentation.clipping_prob",
    "augmentation.colour_db": "augmentation.eq_std_db",
    "augmentation.narrow_share": "augmentation.band_limit_prob",
    "augmentation.erase_share": "augmentation.erase_prob",
    "augmentation.flip_share": "augmentation.flip_prob",
    "quantisation.aware": "quantisation.qat",
}
"""Dotted keys by their old names."""


def renamed(changes: dict[str, Any]) -> dict[str, Any]:
    """Values by dotted key, under today's names."""
    return {RENAMED.get(key, key): value for key, value in changes.items()}


def migrated(table: dict[str, Any], where: str) -> dict[str, Any]:
    """A recipe's table under today's names.

    Args:
        table: of a file, perhaps of an earlier version; the tables of variants hold dotted keys.
        where: the file, named in errors.

    Raises:
        InputError: a value is there under its old name and under the new one.
    """
    found = {
        key: _migrated(value, f"{key}.", where) if isinstance(value, dict) else value
        for key, value in table.items()
    }
    return _migrated(found, "", where)


def _migrated(table: dict[str, Any], prefix: str, where: str) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in table.items():
        dotted = RENAMED.get(key, key) if "." in key else RENAMED.get(prefix + key, prefix + key)
        name = dotted if "." in key else dotted.removeprefix(prefix)
        if name in result or (name != key and name in table):
            raise InputError(f"{where}: {prefix}{key} is called {dotted} now, and both are there; remove one")
        result[name] = value
    return result
