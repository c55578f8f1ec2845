"""Writes the report's page."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from markupsafe import Markup

from kws_device._support import atomic
from kws_training.evaluation.html import template
from kws_training.loop import runs
from kws_training.schemes.study.content import COLUMNS, SPLITS, TITLES

from ..robustness.evaluate import Result
from ..robustness.published_baselines import ANCHORS
from . import charts
from .additions import Additions
from .chart import Chart, stylesheet
from .listening import to_hear
from .pictures import HEADS, of_one, of_several, sets_of
from .stream_charts import CONDITIONS, stream_charts
from .studies import study_row

PAGE, PICTURES = "index.html", "pictures"


def write_page(result: Result, added: Additions, out: Path) -> Path:
    """Write `out`/index.html about one model, and its charts as files of their own below `out`/pictures.

    Args:
        result: the judged model.
        added: figures of other commands.
        out: the report's folder.

    Returns:
        the page.

    Raises:
        InputError: the folder cannot be written.
    """
    drawn = of_one(result) | _added_charts(added)
    heard = list(to_hear(result.mistakes, result.manifest.front_end))
    return _write(
        out, "page.html", drawn, {"name": result.report["model"]} | _common({"": result}, added),
        result=result, sets=sets_of(result), mistakes=heard,
    )  # fmt: skip


def write_side_by_side(results: Mapping[str, Result], added: Additions, out: Path) -> Path:
    """Write `out`/index.html about several models; each has its own report in the folder of its name.

    Args:
        results: the judged models by name.
        added: figures of other commands.
        out: folder of the reports.

    Returns:
        the page.

    Raises:
        InputError: the folder cannot be written.
    """
    drawn = of_several(results) | _added_charts(added)
    sets = {name: sets_of(result) for name, result in results.items()}
    shown = list(dict.fromkeys(entry for each in sets.values() for entry in each))
    return _write(
        out, "side_by_side.html", drawn, _common(results, added), results=results, sets=sets, shown=shown
    )


def _common(results: Mapping[str, Result], added: Additions) -> dict[str, Any]:
    first = next(iter(results.values()))
    rows = [row for result in results.values() if (row := study_row(result)) is not None]
    return {
        "split": first.report["split"],
        "split_by": first.report["split_by"],
        "hashes": {result.report["hash"] for result in results.values()},
        "added": added,
        "conditions": CONDITIONS,
        "study_rows": rows,
        "columns": COLUMNS,
        "titles": TITLES,
        "splits": SPLITS,
        "heads": HEADS,
        "anchors": ANCHORS,
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "machine": runs.processor(),
    }


def _added_charts(added: Additions) -> dict[str, Chart]:
    found: dict[str, Chart] = {}
    for n, stream in enumerate(added.stream):
        found |= {f"{name}{n}": chart for name, chart in stream_charts(stream).items()}
    for n, speed in enumerate(added.speed):
        bars = [("this model", speed["pipeline_ms_per_audio_s"])]
        bars += [(name, peer["ms_per_audio_s"]) for name, peer in speed["peers"].items()]
        found[f"cost{n}"] = charts.costs("CPU time per second of sound", bars, "ms")
    return found


def _write(out: Path, name: str, drawn: Mapping[str, Chart], common: dict[str, Any], **values: Any) -> Path:
    for called, chart in drawn.items():
        atomic.write_text(out / PICTURES / f"{called}.svg", chart.standalone())
    text = template(f"{__package__}/{name}").render(
        common,
        style=Markup(stylesheet()),  # noqa: S704  our own file
        charts={called: Markup(chart.inline()) for called, chart in drawn.items()},  # noqa: S704  escaped there
        **values,
    )
    atomic.write_text(out / PAGE, text)
    return out / PAGE
