"""TensorBoard's log of a run: a file for each epoch, so that a resumed run hides what it repeats."""

from __future__ import annotations

import importlib.util
import time
from pathlib import Path


def log_epoch(folder: Path, epoch: int, row: dict[str, float]) -> None:
    """Log the figures of an epoch, and forget what was logged of it and of later ones.

    Without tensorboardX, the extra `tensorboard`, nothing is logged: history.csv has the same figures.
    tensorboardX's own SummaryWriter writes in a thread, where a full disk is a traceback that nobody catches.

    Args:
        folder: of the log.
        epoch: from 1.
        row: figures by name.

    Raises:
        OSError: the folder cannot be written.
    """
    if importlib.util.find_spec("tensorboardX") is None:
        return
    from tensorboardX.event_file_writer import EventsWriter
    from tensorboardX.proto.event_pb2 import Event, SessionLog
    from tensorboardX.summary import scalar

    folder.mkdir(parents=True, exist_ok=True)
    now = {"step": epoch, "wall_time": time.time()}
    writer = EventsWriter(str(folder / "events"), f".{epoch}")
    writer.write_event(Event(**now, file_version="brain.Event:2"))
    writer.write_event(Event(**now, session_log=SessionLog(status=SessionLog.START)))
    for name, value in row.items():
        writer.write_event(Event(**now, summary=scalar(name, value)))
    writer.close()
