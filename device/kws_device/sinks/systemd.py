"""Notifies systemd: ready, and still alive (sd_notify(3), over its socket)."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Mapping
from typing import Any

from .._support.untrusted_text import printable
from ..events import Decision
from ..sources import AudioSource
from .sink import Sink

_SHARE = 1 / 3
"""Of the watchdog's interval: systemd asks for at most half of it; a late sign of life is made up for."""


class SystemdNotifier(Sink):
    """Ready with the first decision, alive with every further one. Does nothing outside systemd."""

    def __init__(
        self,
        environment: Mapping[str, str] = os.environ,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`environment` is where systemd tells the socket and the watchdog's interval."""
        self._address = _address(environment.get("NOTIFY_SOCKET", ""))
        self._alive_every_s = _SHARE * _watchdog_s(environment)
        self._clock = clock
        self._alive_s = -float("inf")
        self._ready = False
        self._status = ""

    def decided(self, decision: Decision, source: AudioSource) -> None:
        """See Sink."""
        if self._address is None:
            return
        if not self._ready:
            self.ready()
        if source.state != self._status:
            self._tell_status(source.state)
        self.alive()

    def alive(self) -> None:
        """Still listening; told to systemd as often as its watchdog asks."""
        now_s = self._clock()
        if self._alive_every_s and now_s - self._alive_s >= self._alive_every_s and self._send("WATCHDOG=1"):
            self._alive_s = now_s

    def noted(self, text: str) -> None:
        """See Sink. Shown as the status until the first decision: later the source's state is."""
        if not self._ready:
            self._tell_status(text)

    def finished(self, summary: dict[str, Any]) -> None:
        """See Sink."""
        self._send("STOPPING=1")

    def reloading(self) -> None:
        """See Sink. Ready again with `ready`, or the next decision."""
        self._ready = False
        # systemd 253 and newer ask for the time, to know which reload is meant.
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def ready(self) -> None:
        """Listening, for the first time or again."""
        self._ready = self._send("READY=1")

    def _tell_status(self, text: str) -> None:
        if self._send("STATUS=" + printable(" ".join(text.split()))):
            self._status = text

    def _send(self, message: str) -> bool:
        if self._address is None:
            return False
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.setblocking(False)
                sender.sendto(message.encode(errors="replace"), self._address)
        except OSError:
            # A full or vanished socket is systemd's trouble, not a reason to stop hearing; what
            # was not sent is tried again with the next decision.
            return False
        return True


def _address(name: str) -> str | None:
    if name.startswith("@"):
        return "\0" + name[1:]  # in Linux' abstract namespace
    return name if name.startswith("/") else None


def _watchdog_s(environment: Mapping[str, str]) -> float:
    """The interval in seconds; 0 where no watchdog watches this very process."""
    interval_us = environment.get("WATCHDOG_USEC", "")
    if environment.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return 0.0
    return int(interval_us) / 1e6 if interval_us.isdigit() else 0.0
