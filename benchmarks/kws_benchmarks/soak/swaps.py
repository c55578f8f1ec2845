"""Replaces the model file from time to time, by the same model and by files that must be refused."""

from __future__ import annotations

import json
from pathlib import Path

from kws_device._support import atomic
from kws_device._support.schema import json_text
from kws_device.model import containers, model_file
from kws_device.model.manifest_json import sealed, to_json

_GOOD = "good"


class Swaps:
    """Puts one content after the other in the place of a model file."""

    def __init__(self, path: Path, model: Path) -> None:
        """Write `model` to `path`, and prepare what will follow it there.

        Raises:
            InputError: no model file, or a folder that cannot be written.
        """
        self.path = path
        file = model_file.read(model)
        content = model_file.load(model)
        # Offsets of 4 GB, under a hash that is right.
        network = file.model[:8] + b"\xff" * (len(file.model) - 8)
        graph = to_json(sealed(network, file.manifest)).encode()
        fields = json.loads(to_json(file.manifest))
        fields["front_end"]["sample_rate_hz"] = 10**400
        manifest = json_text(fields).encode()
        self._contents = {
            _GOOD: content,
            "cut short": content[: len(content) // 2],
            "impossible manifest": containers.join(file.model, manifest, file.verifier),
            "network with offsets outside the file": containers.join(network, graph, file.verifier),
        }
        atomic.write_bytes(path, content)

    def is_good(self, number: int) -> bool:
        """Whether the file of this swap, counted from 0, is a model that must be taken."""
        return self._kind(number) == _GOOD

    def swap(self, number: int) -> None:
        """Write the file of this swap."""
        atomic.write_bytes(self.path, self._contents[self._kind(number)])

    def _kind(self, number: int) -> str:
        return [*self._contents][number % len(self._contents)]
