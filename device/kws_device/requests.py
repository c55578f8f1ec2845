"""Requests to a running listener, from signals and from the network."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from .spotter import Spotter

_WAITING = 1000


@dataclass(frozen=True)
class Reload:
    """Read the model again, or another one."""

    load: Callable[[], Spotter] | None = None
    """Makes the spotter, now and at later reloads if it succeeds, beside the listening; None: as before."""


@dataclass(frozen=True)
class Arm:
    """Let the model's commands count, as after the word that arms them."""


@dataclass(frozen=True)
class Mute:
    """Hear silence instead of the source, or hear it again."""

    on: bool


@dataclass(frozen=True)
class SetThresholds:
    """Change thresholds by keyword; keywords that the model does not have are passed over."""

    thresholds: Mapping[str, float]


Request = Reload | Arm | Mute | SetThresholds


@dataclass(frozen=True)
class Requests:
    """Those that wait for the session, which takes them between two blocks; too many: the oldest are lost."""

    _waiting: deque[Request] = field(default_factory=lambda: deque(maxlen=_WAITING))

    def put(self, request: Request) -> None:
        """Ask; from any thread, or from a signal's handler, so there is no lock."""
        self._waiting.append(request)

    def take(self) -> Iterator[Request]:
        """Those that wait, the oldest first."""
        while self._waiting:
            yield self._waiting.popleft()
