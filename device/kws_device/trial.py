"""Runs a model's first window in a separate process, which may crash.

A file that holds together may still carry a network that crashes the inference library, never ends or
takes all memory, and none of that can be caught in the process in which it happens. So a file from
elsewhere is loaded and run once by a child process with limits; only what it survives is loaded here.
The child gets the file's bytes through its standard input and answers in one word or one line of text.
"""

from __future__ import annotations

import math
import os
import resource
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ._support.errors import InputError
from ._support.untrusted_text import printable
from .model import containers, model_file
from .model.engine import import_engine, kinds, load_embedding, load_engine, load_verifier
from .model.model_file import ModelFile
from .model.signature import PublicKey, verify
from .spotter import Spotter

_MODEL_CPU_S = 6
"""For loading and the first window. The shipped models take 22 to 65 ms of CPU time on x86-64."""
_MODEL_S = 20
"""The same by the clock: on a busy machine a good model waits."""
_MODEL_MB = 256
"""Addresses that the model may take beyond the process itself; the shipped ones take 38 to 45 MB."""
_START_S = 60.0
"""For the process to start and import, from a slow card on a busy machine."""
_PASSED = "passed"
_REFUSED = 2
_TOO_LONG = {
    -signal.SIGXCPU: f"{_MODEL_CPU_S} s of CPU time",
    -signal.SIGALRM: f"{_MODEL_S} s",
}
"""By the exit code of the process: the limit."""
# -I: nothing is imported from the working directory. The path is ours, so that both import the same.
_CHILD = "import sys; sys.path[:] = sys.argv[3:]; from kws_device.trial import child; child(*sys.argv[1:3])"


def load(
    model: str | Path | None = None, engine: str | None = None, key: PublicKey | None = None
) -> ModelFile:
    """A model file whose signature holds and that has passed its trial run.

    A shipped model has no trial: it is as much to be trusted as this code, beside which it was installed.

    Args:
        model: path or a shipped model's name; None: the shipped default.
        engine: the package that is to run the model; None: the first that can be imported.
        key: that must have signed the file; None: it need not be signed.

    Raises:
        InputError: no such model, or as `signature.verify` and `run` do.
    """
    # The file is read once: what was signed and tried is what listens.
    path = model_file.find(model, kinds(engine))
    content = model_file.load(path)
    if key is not None:
        verify(path, content, key)
    if not model_file.is_shipped(path):
        run(path, content, engine)
    return model_file.unpack(path, content)


def run(path: Path, content: bytes, engine: str | None = None) -> None:
    """Load a model and run one window of each of its networks, in a process of its own.

    Args:
        path: of the model file, named in errors; it is not read.
        content: of the model file.
        engine: the package that is to run the model; None: the first that can be imported.

    Raises:
        InputError: the model is refused, crashes, takes more than 256 MB, 6 s of CPU time or 20 s, or no
            process can be started.
    """
    arguments = [sys.executable, "-I", "-c", _CHILD, str(path), engine or "", *sys.path]
    # One thread is enough, and each one reserves memory.
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    try:
        # S603: our own interpreter and module. A session of its own: Ctrl-C is for us, and we end it.
        result = subprocess.run(  # noqa: S603
            arguments,
            input=content,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,
            timeout=_START_S + _MODEL_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise InputError(f"{path}: the trial run of the model did not end; try again") from error
    except OSError as error:
        raise InputError(f"{path}: no process for its trial run ({error.strerror}); try again") from error
    answer = result.stdout.decode(errors="replace")
    if result.returncode == 0 and answer == _PASSED:
        return
    if result.returncode == _REFUSED and answer:
        raise InputError(answer)
    raise InputError(f"{path}: {_how_it_ended(result.returncode)}; use another model file")


def _how_it_ended(code: int) -> str:
    if code in _TOO_LONG:
        return f"the model takes longer than {_TOO_LONG[code]} for its first window"
    if code < 0:
        return f"the model crashes its engine (signal {-code}, {signal.strsignal(-code)})"
    return f"the model ends the process that runs it (exit code {code})"


def child(path: str, engine: str) -> None:
    """What the child process does: try the model on standard input, answer on standard output."""
    answer = os.dup(1)
    # What libraries print goes nowhere.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    try:
        _try(Path(path), sys.stdin.buffer.read(), engine or None)
    except InputError as error:
        text, code = str(error), _REFUSED
    except Exception as error:  # whatever a strange file leads to, it is refused
        text = f"{path}: the model cannot be run ({type(error).__name__}: {error}); use another model file"
        code = _REFUSED
    else:
        text, code = _PASSED, 0
    os.write(answer, " ".join(printable(text).split())[:2000].encode())
    os._exit(code)  # no destructor of a strange model runs


def _try(path: Path, content: bytes, engine: str | None) -> None:
    kind = containers.kind(content)
    if kind is not None:
        import_engine(path, kind, engine)
    _limit()
    file = model_file.unpack(path, content)
    front_end = file.manifest.front_end
    first, verifier = load_engine(file, engine), load_verifier(file, engine)
    embedding = load_embedding(file, engine)
    step = round(front_end.sample_rate_hz * file.manifest.decoder.decision_ms / 1000)
    Spotter(file.manifest, first, verifier=verifier, embedding=embedding).feed(_noise(step))
    # Noise is neither a candidate nor a word, so the later networks are asked by themselves.
    for later, config in ((verifier, file.manifest.verifier), (embedding, file.manifest.embedding)):
        if later is not None and config is not None:
            frames = front_end.frames_in(config.clip_ms)
            later.scores(_noise(frames * front_end.mels).reshape(frames, front_end.mels))


def _noise(n: int) -> NDArray[np.float32]:
    return np.random.default_rng(0).uniform(-1, 1, n).astype(np.float32)


def _limit() -> None:
    """Limits for everything from now on, none of which depends on the parent or can be undone."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGALRM, signal.SIGXCPU})
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.signal(signal.SIGXCPU, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, _MODEL_S)
    _lower(resource.RLIMIT_CPU, math.ceil(time.process_time()) + _MODEL_CPU_S)
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_FSIZE, 0)
    with suppress(OSError):  # outside Linux there is no such file, nor a limit of addresses that holds
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        _lower(resource.RLIMIT_AS, pages * resource.getpagesize() + (_MODEL_MB << 20))
        # Where all memory runs out, this process ends and not the listener.
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    os.nice(5)  # sound does not wait


def _lower(kind: int, limit: int) -> None:
    _, hard = resource.getrlimit(kind)
    if hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    # The hard limit stays: reaching it in CPU time is SIGKILL, which would look like lack of memory.
    resource.setrlimit(kind, (limit, hard))
