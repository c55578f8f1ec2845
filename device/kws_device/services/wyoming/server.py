"""Serves many clients at once, over TCP, a Unix socket, or standard input and output."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import stat
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from wyoming.error import Error
from wyoming.event import Event, async_write_event

from ..._support.errors import InputError
from ..._support.untrusted_text import printable
from ...sinks.systemd import SystemdNotifier
from ...spotter import Spotter
from .address import Address
from .client import Client
from .frames import LONGEST_LINE, FrameError, read_frame
from .models import Models, Word

_MOST_CLIENTS = 64
_FRAME_S = 30.0
"""How long a frame may take to arrive, and an answer to be taken."""
_IDLE_S = 3600.0
"""A connection over which nothing was sent for so long is closed."""
_REFRESH_S = 10.0
"""How often the folder of models is looked at. A new model is listed within 30 s."""
_THREADS = 4
_SERVICE = "_wyoming._tcp.local."
_MULTICAST = "224.0.0.251"
"""Of multicast DNS."""


class Server:
    """A Wyoming service until SIGTERM or SIGINT, or the end of standard input."""

    def __init__(
        self,
        address: Address,
        models: Models,
        load: Callable[[Word], Spotter],
        note: Callable[[str], None],
        zeroconf_name: str | None = None,
    ) -> None:
        """Serve `models` at `address`.

        Args:
            address: where to listen.
            models: what is offered.
            load: makes a spotter for the model of a word.
            note: is told of what people should know.
            zeroconf_name: announce the service by this name in the local network; None: do not.
        """
        self._address = address
        self._models = models
        self._load = load
        self._note = note
        self._zeroconf_name = zeroconf_name
        self._pool = ThreadPoolExecutor(min(_THREADS, os.cpu_count() or 1), "wyoming")
        self._clients: set[asyncio.Task[None]] = set()
        self._systemd = SystemdNotifier()

    def run(self) -> None:
        """Serve.

        Raises:
            InputError: the address is taken or cannot be listened at.
        """
        try:
            asyncio.run(self._serve())
        finally:
            self._pool.shutdown(cancel_futures=True)

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        stopped = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopped.set)
        loop.add_signal_handler(signal.SIGHUP, self._refresh_soon)
        watch = asyncio.create_task(self._watch())
        try:
            if self._address.host is None and self._address.path is None:
                await self._serve_stdio(stopped)
            else:
                await self._serve_sockets(stopped)
        finally:
            watch.cancel()
            for task in self._clients:
                task.cancel()
            await asyncio.gather(*self._clients, return_exceptions=True)

    async def _serve_sockets(self, stopped: asyncio.Event) -> None:
        where = self._address
        try:
            if where.path is not None:
                _remove_stale(Path(where.path))
                server = await asyncio.start_unix_server(self._accept, where.path, limit=LONGEST_LINE)
                Path(where.path).chmod(0o660)
            else:
                server = await asyncio.start_server(self._accept, where.host, where.port, limit=LONGEST_LINE)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise InputError(
                f"--wyoming {where.text}: cannot listen there ({reason}); choose another address"
            ) from error
        async with server, _announced(where, self._zeroconf_name):
            self._note(f"wyoming: serving {', '.join(self._models.words)} at {where.text}")
            self._systemd.ready()
            await stopped.wait()
        if where.path is not None:
            Path(where.path).unlink(missing_ok=True)

    async def _serve_stdio(self, stopped: asyncio.Event) -> None:
        for descriptor in (0, 1):
            mode = os.fstat(descriptor).st_mode
            if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or os.isatty(descriptor)):
                raise InputError(
                    "--wyoming stdio://: standard input and output must be pipes of another program; "
                    "give tcp://127.0.0.1:10400 to serve others"
                )
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=LONGEST_LINE)
        # Of descriptors of their own: the transports close them.
        stdin, stdout = (os.fdopen(os.dup(n), mode) for n, mode in ((0, "rb"), (1, "wb")))
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), stdin)
        transport, protocol = await loop.connect_write_pipe(
            lambda: asyncio.streams.FlowControlMixin(loop=loop), stdout
        )
        writer = asyncio.StreamWriter(transport, protocol, None, loop)
        talk = asyncio.create_task(self._talk(reader, writer))
        ended = asyncio.create_task(stopped.wait())
        await asyncio.wait({talk, ended}, return_when=asyncio.FIRST_COMPLETED)
        for task in (talk, ended):
            task.cancel()
        await asyncio.gather(talk, ended, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  a callback of asyncio's server is one
        full = len(self._clients) >= _MOST_CLIENTS
        self._clients.add(task)
        try:
            if full:
                await _write(writer, Error(f"there are {_MOST_CLIENTS} clients already", "busy").event())
            else:
                await self._talk(reader, writer)
        except asyncio.CancelledError:
            pass  # the service ends
        finally:
            self._clients.discard(task)
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer a client until it leaves or sends what is no frame. Its trouble is nobody else's."""

        async def send(event: Event) -> None:
            try:
                await _write(writer, event)
            except (UnicodeEncodeError, RecursionError) as error:
                # Answers repeat what the client sent; nothing of this one was written.
                raise FrameError("text that is not Unicode, or nested too deep") from error

        client = Client(self._models, self._pool, self._load, send)
        with contextlib.suppress(OSError, asyncio.TimeoutError):
            try:
                while True:
                    event = await asyncio.wait_for(read_frame(reader, _FRAME_S), _IDLE_S)
                    if event is None:
                        return
                    await client.handle(event)
            except FrameError as error:
                self._note(f"wyoming: a client sent {error}; it was disconnected")
                await send(Error(printable(str(error)), "bad-frame").event())

    async def _watch(self) -> None:
        """Look for new models; a sign of life for systemd's watchdog."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_REFRESH_S)
            await loop.run_in_executor(None, self._models.refresh)
            self._systemd.alive()

    def _refresh_soon(self) -> None:
        asyncio.get_running_loop().run_in_executor(None, self._models.refresh)


async def _write(writer: asyncio.StreamWriter, event: Event) -> None:
    if writer.is_closing():  # Python 3.13 fails in its own code when it writes then
        raise ConnectionResetError("the client has left")
    await asyncio.wait_for(async_write_event(event, writer), _FRAME_S)


def _remove_stale(path: Path) -> None:
    """Remove a socket that nobody serves any more; one that is served is an error."""
    if not path.exists() or not stat.S_ISSOCK(path.stat().st_mode):
        return  # listening fails where something else is there
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            path.unlink(missing_ok=True)
            return
    raise OSError(0, "address already in use")


@contextlib.asynccontextmanager
async def _announced(address: Address, name: str | None) -> AsyncIterator[None]:
    """Announce a service over TCP in the local network while the block runs (DNS-SD)."""
    if name is None or address.port is None:
        yield
        return
    from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

    everywhere = address.host in ("0.0.0.0", "::")  # noqa: S104  compared, not listened at
    found = _own_address() if everywhere else socket.gethostbyname(str(address.host))
    service = AsyncServiceInfo(
        _SERVICE, f"{name}.{_SERVICE}", addresses=[socket.inet_aton(found)], port=address.port
    )
    announcer = AsyncZeroconf()
    try:
        await announcer.async_register_service(service)
        yield
    finally:
        await announcer.async_unregister_all_services()
        await announcer.async_close()


def _own_address() -> str:
    """The address by which others in the local network reach this machine; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((_MULTICAST, 1))
        return str(probe.getsockname()[0])
