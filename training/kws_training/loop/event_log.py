"""TensorBoard's log of a run, a file for each epoch, so that a resumed run hides what it repeats."""

from __future__ import annotations

import time
from pathlib import Path

from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.summary import scalar


def log_epoch(folder: Path, epoch: int, row: dict[str, float]) -> None:
    """Log the figures of an epoch, and forget what was logged of it and of later ones.

    tensorboardX's own SummaryWriter writes in a thread, where a full disk is a traceback that nobody catches.

    Args:
        folder: of the log.
        epoch: from 1.
        row: figures by name.

    Raises:
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    now = {"step": epoch, "wall_time": time.time()}
    writer = EventsWriter(str(folder / "events"), f".{epoch}")
    writer.write_event(Event(**now, file_version="brain.Event:2"))
    writer.write_event(Event(**now, session_log=SessionLog(status=SessionLog.START)))
    for name, value in row.items():
        writer.write_event(Event(**now, summary=scalar(name, value)))
    writer.close()
