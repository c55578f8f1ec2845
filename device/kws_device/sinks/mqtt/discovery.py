"""The discovery message for Home Assistant: the device and all its entities.

Source: https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload (2024.11 and later).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ...model.manifest import SCENE_HEAD, Manifest
from .topics import Topics, part

ONLINE, OFFLINE = "online", "offline"
ON, OFF = "ON", "OFF"
MUTE, MODEL, ARM = "mute", "model", "arm"
"""What can be set, beside `threshold/WORD`."""

Components = dict[str, dict[str, Any]]
"""By their keys, which Home Assistant knows them by."""


def threshold(word: str) -> str:
    """The name under which the threshold of a word is set."""
    return f"threshold/{part(word)}"


def components(topics: Topics, manifest: Manifest, models: Iterable[str]) -> Components:
    """The entities of a device that listens with a model.

    Args:
        topics: of the device.
        manifest: of the model.
        models: the names of those that can be chosen.
    """
    found: Components = {
        "word": {
            "platform": "event",
            "name": "Word",
            "icon": "mdi:microphone-message",
            "state_topic": topics.event,
            "event_types": list(manifest.keywords),
        },
        "level": {
            "platform": "sensor",
            "name": "Level",
            "icon": "mdi:volume-high",
            "unit_of_measurement": "dBFS",
            "state_class": "measurement",
            "entity_category": "diagnostic",
            "value_template": "{{ value_json.level_dbfs }}",
        },
        "microphone": {
            "platform": "sensor",
            "name": "Microphone",
            "icon": "mdi:microphone",
            "entity_category": "diagnostic",
            "value_template": "{{ value_json.microphone }}",
        },
        "mute": {
            "platform": "switch",
            "name": "Mute",
            "icon": "mdi:microphone-off",
            "command_topic": topics.command(MUTE),
            "value_template": "{{ 'ON' if value_json.muted else 'OFF' }}",
        },
        "model": {
            "platform": "select",
            "name": "Model",
            "entity_category": "config",
            "command_topic": topics.command(MODEL),
            "options": list(models),
            "value_template": "{{ value_json.model }}",
        },
    }
    if (scene := manifest.head(SCENE_HEAD)) is not None:
        found["scene"] = {
            "platform": "sensor",
            "name": "Scene",
            "device_class": "enum",
            "options": list(scene.labels),
            "value_template": "{{ value_json.scene }}",
        }
    for word in manifest.keywords:
        found[f"threshold_{part(word)}"] = {
            "platform": "number",
            "name": f"Threshold {word}",
            "icon": "mdi:tune",
            "entity_category": "config",
            "command_topic": topics.command(threshold(word)),
            "min": 0,
            "max": 1,
            "step": 0.001,
            "mode": "box",
            "value_template": f"{{{{ value_json.thresholds['{part(word)}'] }}}}",
        }
    if manifest.arming is not None:
        found["armed"] = {
            "platform": "binary_sensor",
            "name": "Armed",
            "value_template": "{{ 'ON' if value_json.armed else 'OFF' }}",
        }
        found["arm"] = {"platform": "button", "name": "Arm", "command_topic": topics.command(ARM)}
    for key, component in found.items():
        # Home Assistant does not hand a `qos` of the whole device down to its entities.
        component |= {"unique_id": f"{topics.unique_id}_{key}", "qos": 1}
    return found


def description(
    topics: Topics, name: str, version: str, present: Components, before: Mapping[str, str]
) -> dict[str, Any]:
    """What is published under `Topics.discovery`.

    Args:
        topics: of the device.
        name: of the device, for people.
        version: of this software.
        present: the entities that there are.
        before: the platforms of all that were there, by key; those that are gone are taken back.
    """
    gone = {key: {"platform": platform} for key, platform in before.items() if key not in present}
    return {
        "device": {
            "identifiers": [topics.unique_id],
            "name": name,
            "manufacturer": "kws-kit",
            "model": "kws-listen",
            "sw_version": version,
        },
        "origin": {"name": "kws-kit", "sw_version": version},
        "availability_topic": topics.availability,
        "payload_available": ONLINE,
        "payload_not_available": OFFLINE,
        "state_topic": topics.state,
        "components": {**present, **gone},
    }
