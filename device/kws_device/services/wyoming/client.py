"""One client of the service: what it asked for, its sound, and its spotters."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from typing import Any

from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.error import Error
from wyoming.event import Event, Eventable
from wyoming.info import Describe
from wyoming.ping import Ping, Pong
from wyoming.wake import Detect, Detection, NotDetected

from ..._support.errors import InputError
from ..._support.untrusted_text import printable
from ...spotter import Spotter
from .models import Models, Word
from .sound import Converter, SoundFormat, sound_format

_MOST_NAMES = 256


class RequestError(ValueError):
    """What a client asked for cannot be done; it is told, and may ask again."""


class Client:
    """Answers the events of one connection, in their order."""

    def __init__(
        self,
        models: Models,
        pool: Executor,
        load: Callable[[Word], Spotter],
        send: Callable[[Event], Awaitable[None]],
    ) -> None:
        """Nothing is asked for yet: all words count.

        Args:
            models: of the service.
            pool: in which spotters run, so that other clients are answered meanwhile.
            load: makes a spotter for the model of a word.
            send: a coroutine function that writes an event to the client.
        """
        self._models = models
        self._pool = pool
        self._load = load
        self._send = send
        self._names: list[str] | None = None
        self._context: dict[str, Any] = {}
        self._spotters: list[tuple[Spotter, dict[str, str]]] = []
        """Of each model that is asked for: the spotter, and the names of its keywords."""
        self._files: list[str] = []
        self._converter: Converter | None = None
        self._begin_ms = 0
        self._detected = False

    async def handle(self, event: Event) -> None:
        """Do what an event asks for; what cannot be done is answered with an error event."""
        try:
            if Describe.is_type(event.type):
                await self._answer(self._models.info())
            elif Ping.is_type(event.type):
                await self._answer(Pong(text=Ping.from_event(event).text))
            elif Detect.is_type(event.type):
                self._detect(event)
            elif AudioStart.is_type(event.type):
                await self._start(event)
            elif AudioChunk.is_type(event.type):
                await self._hear(event)
            elif AudioStop.is_type(event.type):
                await self._stop()
            # Other events belong to other kinds of services.
        except (RequestError, InputError) as error:
            await self._answer(Error(printable(" ".join(str(error).split())), "bad-request"))

    async def _answer(self, answer: Eventable) -> None:
        await self._send(answer.event())

    def _detect(self, event: Event) -> None:
        names, context = event.data.get("names"), event.data.get("context")
        if names is not None:
            if not isinstance(names, list) or len(names) > _MOST_NAMES:
                raise RequestError(f"detect: names must be a list of at most {_MOST_NAMES} words")
            known_words = self._models.words
            unknown = [str(n) for n in names if not isinstance(n, str) or n not in known_words]
            if unknown:
                known = ", ".join(known_words)
                raise RequestError(f"detect: {unknown[0][:100]}: no such word; there are {known}")
        self._names = names or None
        self._context = context if isinstance(context, dict) else {}
        self._converter = None
        self._files = []

    async def _start(self, event: Event) -> None:
        form = _valid_format(event)
        await self._ready_spotters()
        rate_hz = self._spotters[0][0].manifest.front_end.sample_rate_hz
        self._converter = Converter(form, rate_hz)
        stamp = event.data.get("timestamp")
        self._begin_ms = stamp if type(stamp) is int else 0
        self._detected = False

    async def _ready_spotters(self) -> None:
        """Spotters of the words that are asked for, as new; those of the last stream are used again."""
        words = self._models.words
        asked = [words[name] for name in self._names or words if name in words]
        if not asked:
            raise RequestError("detect: the model of these words is gone")
        files = {word.file.manifest.hash: word for word in asked}
        if list(files) != self._files:
            made = []
            for digest, word in files.items():
                spotter = await self._in_pool(self._load, word)
                made.append((spotter, {w.keyword: w.name for w in asked if w.file.manifest.hash == digest}))
            if len({spotter.manifest.front_end.sample_rate_hz for spotter, _ in made}) > 1:
                raise RequestError("detect: these models listen at different rates; ask for one at a time")
            self._spotters, self._files = made, list(files)
        for spotter, _ in self._spotters:
            spotter.reset()

    async def _hear(self, event: Event) -> None:
        form = _valid_format(event)
        if self._converter is None:
            await self._start(event)  # Home Assistant's satellites may leave the start out
        elif self._converter.form != form:
            raise RequestError("audio-chunk: another format than before; send audio-stop and audio-start")
        await self._feed(event.payload or b"", last=False)

    async def _feed(self, payload: bytes, last: bool) -> None:
        assert self._converter is not None  # noqa: S101  for the type checker
        samples = self._converter.samples(payload, last)
        for spotter, names in self._spotters:
            for detection in await self._in_pool(self._heard, spotter, names, samples):
                self._detected = True
                await self._answer(detection)

    def _heard(self, spotter: Spotter, names: dict[str, str], samples: Any) -> list[Detection]:
        found = []
        for decision in spotter.feed(samples):
            event = decision.event
            if event is not None and event.keyword in names:
                context: dict[str, Any] = {"score": round(event.score, 4), "verified": event.verified}
                if event.scene is not None:
                    context |= {"scene": event.scene, "scene_score": event.scene_score}
                stamp = self._begin_ms + round(1000 * event.end_s)
                found.append(Detection(names[event.keyword], stamp, context=self._context | context))
        return found

    async def _stop(self) -> None:
        if self._converter is None:
            return
        await self._feed(b"", last=True)
        self._converter = None
        if not self._detected:
            await self._answer(NotDetected(context=self._context or None))

    async def _in_pool(self, call: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._pool, call, *arguments)


def _valid_format(event: Event) -> SoundFormat:
    try:
        return sound_format(event.data)
    except ValueError as error:
        raise RequestError(f"{event.type}: {error}") from error
