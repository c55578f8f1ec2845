"""One-line summaries of a report."""

from __future__ import annotations

from typing import Any


def _model(report: dict[str, Any]) -> str:
    return f"{report['model']} {report['hash'][:12]}"


def _split(report: dict[str, Any]) -> str:
    """The split, and which rule chose what is in it."""
    rules = ", ".join(f"{kind} by {rule}" for kind, rule in report["split_by"].items())
    return f"{report['split']} split" + (f" ({rules})" if rules else "")


def robustness(report: dict[str, Any], name: str = "") -> list[str]:
    """The verdict, then a line for each set; `name` tells models side by side apart."""
    verdict = report["verdict"]
    called = f"{name}: " if name else ""
    text = [f"{called}{_model(report)}, {_split(report)}: {verdict['word']}", *verdict["reasons"]]
    for figures in report["sets"]:
        parts = [
            f"{head} {f['accuracy']:7.2%} [{f['ci95'][0]:.1%}, {f['ci95'][1]:.1%}] n={f['n']}"
            for head, f in figures.items()
            if head in ("keyword", "scene")
        ]
        parts += [
            f"{called} {of['share']:.1%}"
            for name, called in (("heard", "at thresholds heard"), ("false", "others accepted"))
            if (of := figures.get("keyword", {}).get("at_thresholds", {}).get(name))
        ]
        text.append(f"{figures['set']:12} {'   '.join(parts)}")
    return text


_PLACED = {"alone": "alone", "over_voice": "over a voice", "in_sentence": "in a sentence"}


def stream(report: dict[str, Any]) -> list[str]:
    """All words, then each condition, background and word, then what the figures rest on."""
    text = [f"{_model(report)}, {_split(report)}, {report['hours']:.2f} h of speech and noise"]
    if report["played"] is not None:
        text.append(f"played and recorded: {report['played']}")
    if report["tuned_to"] is not None:
        text.append(f"thresholds tuned to {report['tuned_to']:g} false accepts per hour")
    text.append(f"{'all':16} {_stream_figures(report)}")
    for condition, called in _PLACED.items():
        if (figures := report["placed"][condition]) is not None:
            heard = f"{figures['hits']} of {figures['targets']} heard ({1 - figures['miss_rate']:.1%})"
            at = f" at {report['snr_db']:g} dB" if condition != "in_sentence" else ""
            text.append(f"{called + at:16} {heard}")
    for name, figures in report["background"].items():
        text.append(
            f"{name:16} {figures['false_accepts']} false in {figures['hours']:.2f} h, "
            f"{figures['per_hour']:.2f} per hour, at most {figures['bound95']:.2f} (95 %), "
            f"{figures['masked']} masked"
        )
    for word, figures in report["per_keyword"].items():
        text.append(f"{word:16} {_stream_figures(figures)}, threshold {figures['threshold']:g}")
    if report["armed"] is not None:
        text += _armed_figures(report["armed"])
    late = report["latency_ms"]
    if late["median"] is not None:
        text.append(
            f"{late['median']:.0f} ms from the end of a word to its event, 95 % within {late['p95']:.0f} ms"
        )
    if unknown := report["without_transcript"]:
        text.append(
            f"without transcripts or masks: {', '.join(unknown)}; keywords said there are false accepts"
        )
    if left_out := report["left_out_without_transcript"]:
        text.append(f"left out, because without a transcript: {', '.join(left_out)}")
    return text


def _armed_figures(figures: dict[str, Any]) -> list[str]:
    armings, false = figures["armings"], figures["false_commands"]
    return [
        *(
            f"commands, armed by {figures['armed_by']}, {_PLACED[condition]}: "
            f"{heard['hits']} of {heard['targets']} heard ({1 - heard['miss_rate']:.1%})"
            for condition, heard in figures["placed"].items()
            if heard["targets"]
        ),
        f"nobody arms: {false['count']} false commands "
        f"({false['per_hour']:.2f} per hour, at most {false['bound95']:.2f})",
        f"{figures['armed_by']}: {armings['false']} false armings "
        f"({armings['false_per_hour']:.2f} per hour), {armings['said']} said",
        f"armed all the time: {false['per_armed_hour']:.2f} false commands per hour",
    ]


def _stream_figures(figures: dict[str, Any]) -> str:
    missed = ""
    if figures["targets"]:
        missed = f"{figures['misses']} of {figures['targets']} missed ({figures['miss_rate']:.1%}), "
    return (
        f"{missed}{figures['false_accepts']} false ({figures['false_accepts_per_hour']:.2f} per hour, "
        f"at most {figures['false_accepts_bound95']:.2f}), {figures['masked']} masked"
    )


def compare(report: dict[str, Any]) -> list[str]:
    """What differs beyond chance, a line each, then what does not."""
    a, b = report["a"], report["b"]
    text = [f"from {_model(a)} to {_model(b)}, {report['split']} split, the same clips"]
    for entry in report["sets"]:
        if entry["verdict"] != "same":
            low, high = entry["ci95"]
            text.append(
                f"{entry['verdict']:6} {entry['set']:12} {entry['head']:8}"
                f"{entry['a']:7.1%} -> {entry['b']:6.1%}  "
                f"{100 * entry['difference']:+5.1f} points [{100 * low:+.1f}, {100 * high:+.1f}] "
                f"n={entry['n']} p={entry['p_corrected']:.4f}"
            )
    if left_out := max(entry["left_out"] for entry in report["sets"]):
        text.append(
            f"up to {left_out} clips of a set are left out: only one report has them, "
            "or it has them under other conditions"
        )
    same = [f"{e['set']} ({e['head']})" for e in report["sets"] if e["verdict"] == "same"]
    if same:
        text.append(f"no difference beyond chance: {', '.join(same)}")
    return text


def speed(report: dict[str, Any]) -> list[str]:
    """Our own figures, then the peers'."""
    ours = report["pipeline_ms_per_audio_s"]
    faster = ""
    if "frontend_speedup" in report:
        faster = f"   {report['frontend_speedup']:.1f} times faster than librosa on each whole window"
    text = [
        f"{_model(report)}, one thread of {report['machine']}",
        f"from samples to events {ours:8.2f} ms of CPU per second of sound",
        f"  front end            {report['frontend_ms_per_audio_s']:8.2f} ms{faster}",
        f"  decoder              {report['decoder_ms_per_audio_s']:8.2f} ms",
        f"one inference          {report['inference_ms']:8.3f} ms",
        f"start to first decision{report['startup_ms']:8.0f} ms",
        f"memory                 {report['rss_mb']:8.0f} MB",
    ]
    for name, peer in report["peers"].items():
        text.append(f"{name:<23}{peer['ms_per_audio_s']:8.2f} ms: ours takes {peer['ratio']:.2f} of it")
    return text


def pi(report: dict[str, Any]) -> list[str]:
    """Equality first, then cost."""
    same = {True: "the same as here", False: "NOT the same as here"}
    return [
        f"{_model(report)} on {report['cpu']}, {report['suite']}, {report['engine']}",
        f"scores: {same[report['scores_equal']]}",
        f"  for the same windows {report['window_scores_different']} of {report['scores_compared']} differ, "
        f"by {report['window_score_difference']:.4f} at most",
        f"  for the same sound they differ by {report['sound_score_difference']:.4f} at most",
        f"  streaming scores equal those of each second at once: {report['streaming_equals_batch']}",
        f"events of the demo: {same[report['events_equal']]} ({report['events']})",
        f"{report['instructions_per_audio_s'] / 1e6:.1f} million instructions per second of sound, "
        f"{report['startup_instructions'] / 1e6:.0f} million at start-up",
    ]


def soak(report: dict[str, Any]) -> list[str]:
    """What was said and heard, then what it took."""
    return [
        f"{_model(report)}: {report['hours']:g} h of sound, {report['faults']} faults, "
        f"{report['lost_s']:.1f} s lost in them",
        f"reloads: {report['reloads']} models taken, {report['reloads_refused']} bad files refused, "
        f"{report['reloads_wrong']} wrong decisions",
        f"events: {report['events_expected']} expected, {report['events_lost']} lost, "
        f"{report['events_strange']} unexpected, {report['events_masked']} words not counted",
        f"times: off by {report['drift_s']:.3f} s at most",
        f"memory: {report['rss_mb']:.1f} MB, grown by {report['memory_growth_mb']:.2f} MB since "
        f"{report['settled_s'] / 60:.0f} min",
        f"{report['cpu_ms_per_audio_s']:.2f} ms of CPU per second of sound",
    ]
