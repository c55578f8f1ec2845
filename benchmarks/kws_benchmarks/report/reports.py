"""Evaluates one model or several, and writes their reports."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..robustness.candidates import candidate, names
from ..robustness.evaluate import Plan, Result, robustness
from .additions import additions
from .page import write_page, write_side_by_side


def report(models: Sequence[str] | None, plan: Plan, add: Sequence[Path], out: Path) -> dict[str, Result]:
    """Judge models and write their reports.

    Args:
        models: files, shipped names or folders of runs; None: the shipped default.
        plan: what they are judged on.
        add: JSON files of other commands to be shown as well.
        out: a single model's report; of several, a folder for each and a page that compares them.

    Returns:
        the judged models by name; a single one has none.

    Raises:
        InputError: a model, folder or file that cannot be used.
    """
    added = additions(out, add)
    if models is None or len(models) == 1:
        result = robustness(candidate(models[0] if models else None), plan, out, added.stream)
        write_page(result, added, out)
        return {"": result}
    results = {}
    # All of them first: a bad name is told now rather than after minutes of work.
    candidates = dict(zip(names(models), map(candidate, models), strict=True))
    for name, judged in candidates.items():
        own = additions(out / name, [])
        results[name] = robustness(judged, plan, out / name, [*added.stream, *own.stream])
        write_page(results[name], own, out / name)
    write_side_by_side(results, added, out)
    return results
