"""What a listener may be asked while it listens, by signals and over the network."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

_WAITING = 1000


@dataclass(frozen=True)
class Reload:
    """Read the model again."""


@dataclass(frozen=True)
class Arm:
    """Let the model's commands count, as after the word that arms them."""


Request = Reload | Arm


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
