"""A listening session: feeds a source to a spotter, and tells the sinks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from ._support.errors import InputError
from .requests import Arm, Mute, Reload, Request, Requests, SetThresholds
from .sinks import Sink
from .sources import LISTENING, AudioSource, Microphone
from .sources.abandonable_call import AbandonableCall
from .spotter import Spotter

_FIRST_GAP_S = 1.0
_LONGEST_GAP_S = 600.0
"""A loose plug comes and goes for days: the note about it comes ever less often, up to this."""


class Session:
    """Runs until the sources end, or until an exception, a signal's for example, ends it."""

    def __init__(
        self,
        load: Callable[[], Spotter],
        display: Sink,
        sinks: Sequence[Sink] = (),
        clock: Callable[[], float] = time.monotonic,
        requests: Requests | None = None,
    ) -> None:
        """Load the spotter.

        Args:
            load: makes the spotter, and makes it anew when the model is to be read again.
            display: the sink for people or programs; gets its summary last, since others may still
                have something to tell.
            sinks: all others.
            clock: monotonic, in seconds.
            requests: where sinks put what they want to be done; None: they want nothing.

        Raises:
            InputError: as `load` does.
        """
        self._load = self._load_before = load
        self._spotter = load()
        self._sinks = [*sinks, display]
        self._clock = clock
        self._requests = Requests() if requests is None else requests
        self._muted = False
        self._reload: Reload | None = None
        self._loading: AbandonableCall[Spotter] | None = None
        self._heard: list[AudioSource] = []
        self._decisions = 0
        self._cpu_s = time.process_time()

    @property
    def spotter(self) -> Spotter:
        """The one that listens now; another one after each reload that succeeds."""
        return self._spotter

    def run(self, sources: Iterable[AudioSource]) -> None:
        """Listen to one source after the other; sinks get one summary, also where Ctrl-C ends it.

        Raises:
            InputError: as the sources do. The display gets no summary then, but the error.
            OSError: the display cannot be written. It gets no summary then, either.
        """
        finishing = self._sinks
        self._tell_configuration()
        try:
            for source in sources:
                self._heard.append(source)
                self._listen(source)
        except (InputError, OSError):
            finishing = self._sinks[:-1]
            raise
        finally:
            summary = self._summary()
            for sink in finishing:
                sink.finished(summary)

    def reload_soon(self) -> None:
        """Begin to read the model again with the next block. May be called by a signal's handler.

        It is read beside the listening; the new one takes over between two blocks, when it is ready.
        """
        self._requests.put(Reload())

    def arm_soon(self) -> None:
        """Let the model's commands count from the next block on, as after the word that arms them.

        May be called by a signal's handler. A model without commands is noted.
        """
        self._requests.put(Arm())

    def _listen(self, source: AudioSource) -> None:
        rate = self._spotter.manifest.front_end.sample_rate_hz
        states = _States(self._clock) if isinstance(source, Microphone) else None
        fed = 0
        self._spotter.reset()
        for block in source.blocks(rate):
            for request in self._requests.take():
                self._answer(request)
            self._reload_if_asked(rate, fed / rate)
            if self._muted:
                block = np.zeros_like(block)
            if states is not None and (text := states.news(source)):
                self._note(text)
            for decision in self._spotter.decisions_in(block):
                self._decisions += 1
                newest = self._spotter.newest()
                for sink in self._sinks:
                    sink.heard(newest)
                    sink.decided(decision, source)
            fed += len(block)

    def _answer(self, request: Request) -> None:
        manifest = self._spotter.manifest
        if isinstance(request, Reload):
            # One that waits for another model is not lost to one that reads the same again.
            self._reload = request if self._reload is None or request.load is not None else self._reload
        elif isinstance(request, Mute):
            self._muted = request.on
            self._tell_configuration()
        elif isinstance(request, SetThresholds):
            known = {word: p for word, p in request.thresholds.items() if word in manifest.keywords}
            self._spotter.set_thresholds(known)
            self._tell_configuration()
        elif not self._spotter.arm():
            self._note(f"{manifest.name}: has no commands to arm; give --armed-by WORD")

    def _tell_configuration(self) -> None:
        for sink in self._sinks:
            sink.configured(self._spotter.manifest, self._muted)

    def _reload_if_asked(self, sample_rate_hz: int, at_s: float) -> None:
        if self._loading is None:
            if self._reload is not None:
                self._load, self._load_before = self._reload.load or self._load, self._load
                self._reload = None
                self._loading = AbandonableCall(self._load)
        elif self._loading.wait(0):
            loaded, self._loading = self._loading, None
            self._take_over(loaded, sample_rate_hz, at_s)

    def _take_over(self, loaded: AbandonableCall[Spotter], sample_rate_hz: int, at_s: float) -> None:
        for sink in self._sinks:
            sink.reloading()
        try:
            spotter = loaded.result()
            rate = spotter.manifest.front_end.sample_rate_hz
            if rate != sample_rate_hz:
                raise InputError(f"the new model hears {rate} Hz, not {sample_rate_hz}; start again")
            spotter.reset(at_s)
        except InputError as error:
            self._keep(str(error))
        except Exception as error:  # nothing that a new model does may end the listening
            self._keep(f"{type(error).__name__}: {error}")
        else:
            self._spotter = spotter
            manifest = spotter.manifest
            self._note(f"listening with {manifest.name} {manifest.hash[:12]} from now on")
        self._tell_configuration()

    def _keep(self, why: str) -> None:
        """Go on with the model that listens; `why` there is no new one."""
        self._load = self._load_before
        self._note(f"the model stays as it was: {why}")

    def _note(self, text: str) -> None:
        for sink in self._sinks:
            sink.noted(text)

    def _summary(self) -> dict[str, Any]:
        return {
            "audio_s": round(sum(source.audio_s for source in self._heard), 3),
            "decisions": self._decisions,
            "lost_s": round(sum(source.lost_s for source in self._heard), 3),
            "cpu_s": round(time.process_time() - self._cpu_s, 3),
        }


class _States:
    """When to tell that a source comes or goes."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._told: bool | None = None
        """Whether it listens, as was told last."""
        self._seen: bool | None = None
        self._seen_since_s = self._told_s = clock()
        self._gap_s = 0.0
        """No news for so long after the last."""

    def news(self, source: AudioSource) -> str:
        """What to tell now; empty: nothing."""
        listening, now_s = source.state == LISTENING, self._clock()
        if listening != self._seen:
            self._seen, self._seen_since_s = listening, now_s
        if now_s - self._seen_since_s > _LONGEST_GAP_S:
            self._gap_s = 0.0
        if listening == self._told or now_s - self._told_s < self._gap_s:
            return ""
        self._told, self._told_s = listening, now_s
        self._gap_s = min(max(_FIRST_GAP_S, 2 * self._gap_s), _LONGEST_GAP_S)
        lost = f", {source.lost_s:.1f} s lost so far" if source.lost_s else ""
        return f"listening on {source.name}{lost}" if listening else source.state
