"""The effect of arming: commands heard while armed, and false commands while nobody arms."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kws_device import InputError, Manifest
from kws_device.arming import always_armed
from kws_device.model.manifest_parts import ArmingConfig

from .figures import hit_rate
from .listeners import Heard
from .matching import Tally, judge
from .outcomes import Streams
from .poisson import bound95
from .trace import LEAST_THRESHOLD, Trace, replay


def check_tried(manifest: Manifest, arming: ArmingConfig) -> None:
    """Raises InputError where a threshold of arming is below those that the recorded scores can try."""
    for word, threshold in arming.thresholds.items():
        if threshold < LEAST_THRESHOLD and manifest.verifier is None:
            raise InputError(
                f"the armed threshold of {word} is {threshold:g}; the smallest that can be tried is "
                f"{LEAST_THRESHOLD:g}"
            )


def armed_figures(streams: Streams, manifest: Manifest, arming: ArmingConfig) -> dict[str, Any]:
    """The figures of arming on streams that were heard without it.

    Placed commands are judged as if somebody had just armed them. The backgrounds are judged twice: as they
    are, where only false events of the arming word arm, and as if commands were armed all the time.

    Args:
        streams: what a model heard.
        manifest: of the model.
        arming: the rules.

    Returns:
        {"armed_by", "armed_s", "thresholds": of the commands while armed, "placed": by condition {"targets",
        "hits", "misses", "miss_rate"}, "armings": of the backgrounds {"false", "false_per_hour", "said"},
        "false_commands": {"count", "per_hour", "bound95", "per_armed_hour"}}. `said` counts arming words that
        a background is known to say; commands after them count as false, too.
    """
    armed = manifest.with_arming(arming)
    always = always_armed(armed)
    hours = streams.hours()
    as_it_is, armed_always, armings = Tally(), Tally(), Tally()
    for heard in streams.background.values():
        as_it_is += _judged(heard, armed, arming.commands)
        armings += _judged(heard, armed, [arming.armed_by])
        armed_always += _judged(heard, always, arming.commands)
    return {
        "armed_by": arming.armed_by,
        "armed_s": arming.armed_s,
        "thresholds": {word: always.decoder.thresholds[word] for word in arming.commands},
        "placed": {
            name: hit_rate(_judged(heard, always, arming.commands)) for name, heard in streams.placed.items()
        },
        "armings": {
            "false": armings.false_accepts,
            "false_per_hour": round(armings.false_accepts / hours, 3),
            "said": armings.masked,
        },
        "false_commands": {
            "count": as_it_is.false_accepts,
            "per_hour": round(as_it_is.false_accepts / hours, 3),
            "bound95": round(bound95(as_it_is.false_accepts, hours), 3),
            "per_armed_hour": round(armed_always.false_accepts / hours, 3),
        },
    }


def _judged(heard: Heard, manifest: Manifest, keywords: Iterable[str]) -> Tally:
    """The events that the device makes of a stream by this manifest, of these keywords together."""
    if not isinstance(heard, Trace):
        raise TypeError("only what a model of ours heard can be replayed")
    events = replay(heard, manifest)
    return sum((judge(events, heard.script, keyword).tally() for keyword in keywords), Tally())
