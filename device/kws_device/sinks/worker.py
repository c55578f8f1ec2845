"""A worker thread with a bounded queue, for work that must not delay listening."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from .._support.errors import InputError
from .rate_limit import RateLimitedNotes


class Worker:
    """Runs jobs one after the other, in order, in a thread of its own.

    A job that fails is noted, and the next one runs. The thread ends with the program, whatever it
    is at: who wants the jobs done calls `close`.
    """

    def __init__(self, name: str, notes: RateLimitedNotes, capacity: int) -> None:
        """`name` begins every note; more than `capacity` jobs do not wait."""
        self._name = name
        self._notes = notes
        self._capacity = capacity
        self._jobs: deque[Callable[[], None]] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def submit(self, job: Callable[[], None]) -> bool:
        """Queue a job and return at once; False where it was dropped: the queue is full, or closed."""
        with self._changed:
            accepted = not self._closed and len(self._jobs) < self._capacity
            if accepted:
                self._jobs.append(job)
                self._changed.notify()
        if not accepted:
            self._notes("dropped", f"{self._name}: too slow, so one was left out")
        return accepted

    def close(self, timeout_s: float) -> bool:
        """Wait for all that is queued, at most so long; what is left then is dropped and noted.

        Returns:
            Whether all jobs have ended. A job that has not goes on by itself.
        """
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(timeout_s)
        with self._changed:
            left = len(self._jobs)
            self._jobs.clear()
        if left:
            self._notes("left", f"{self._name}: too slow, so the last {left} were left out")
        return not self._thread.is_alive()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._jobs or self._closed)
                if not self._jobs:
                    return
                job = self._jobs.popleft()
            try:
                job()
            except InputError as error:
                self._notes("failed", f"{self._name}: {error}")
            except OSError as error:
                self._notes("failed", f"{self._name}: failed ({error.strerror or error})")
            except Exception as error:
                # A bug of ours, but no reason to stop hearing.
                self._notes("failed", f"{self._name}: failed ({error!r})")
