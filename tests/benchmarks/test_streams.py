"""Words in long recordings: placed as promised, counted fairly, and heard by the shipped model."""

from __future__ import annotations

import json

import numpy as np
import pytest
import soundfile

from kws_benchmarks.streams import Target, compose, match
from kws_device import Spotter
from kws_device.errors import InputError
from kws_device.events import Event
from kws_training.data.corpus import decode, head_label, read_recordings
from kws_training.data.layouts import audio_below, read_dataset
from kws_training.data.windows import power
from kws_training.evaluation.test_sets import Item

RATE = 16000
MINUTES = 10.0


def event(keyword, end_s):
    return Event(keyword, 0.9, end_s - 1, end_s, None, None)


def words(n):
    rng = np.random.default_rng(1)
    labels = ["yes", "_unknown_"] * n
    return [
        Item(str(i), "s", label, (0.1 * rng.standard_normal(9000 + 100 * i)).astype(np.float32))
        for i, label in enumerate(labels[:n])
    ]


def test_words_stand_at_their_times_at_their_signal_to_noise_ratio():
    background = (0.02 * np.random.default_rng(0).standard_normal(5 * RATE)).astype(np.float32)
    stream = compose(words(40), background, 12.0, 30.0, RATE, seed=3)
    under = np.resize(background, len(stream.samples))
    assert len(stream.samples) == 30 * RATE
    assert len(stream.targets) > 10
    for target in stream.targets:
        place = slice(round(target.start_s * RATE), round(target.end_s * RATE))
        added = stream.samples[place].astype(np.float64) - under[place]
        assert 10 * np.log10(power(added) / power(under[place])) == pytest.approx(12, abs=0.01)
    gaps = [b.start_s - a.end_s for a, b in zip(stream.targets, stream.targets[1:], strict=False)]
    assert min(gaps) >= 0.5


def test_the_same_seed_gives_the_same_stream():
    background = np.full(RATE, 0.01, dtype=np.float32)
    one, again = (compose(words(20), background, 12.0, 10.0, RATE, seed=3) for _ in range(2))
    assert np.array_equal(one.samples, again.samples)
    assert one.targets == again.targets


def test_silence_as_background_and_too_few_words_are_refused():
    with pytest.raises(InputError, match="silence"):
        compose(words(20), np.zeros(RATE, dtype=np.float32), 12.0, 10.0, RATE, seed=3)
    with pytest.raises(InputError, match="3 words are too few"):
        compose(words(3), np.full(RATE, 0.01, dtype=np.float32), 12.0, 60.0, RATE, seed=3)


def test_a_target_takes_one_event_and_every_other_event_is_false():
    targets = [Target("yes", 1, 2), Target("_unknown_", 4, 5), Target("no", 7, 8), Target("yes", 10, 11)]
    events = [event("yes", 1.8), event("yes", 2.3), event("no", 4.8), event("no", 7.9), event("yes", 12.5)]
    found = match(events, targets, ("yes", "no"))
    assert (found.hits, found.misses) == (2, 1)
    assert found.false == (events[1], events[2], events[4])


@pytest.mark.parametrize("background", ["background noise", "everyday noise"])
def test_ten_minutes_of_real_words_are_heard_once_each(background, data, command, tmp_path):
    """A third of the words are no keywords; none of the speakers and none of the noise was trained on."""
    keywords = Spotter.load().manifest.keywords
    dataset = read_dataset(data / "speech_commands_mini")
    clips = dataset.split("test")
    rng = np.random.default_rng(7)
    spoken = [clip for clip in clips if clip.label in keywords]
    other = [clip for clip in clips if clip.label not in keywords]
    chosen = [pool[i] for pool, n in ((spoken, 330), (other, 165)) for i in rng.permutation(len(pool))[:n]]
    recordings = read_recordings(chosen, [head_label(c.label, keywords) for c in chosen], RATE, "words")
    items = [
        Item(r.clip.path.name, r.clip.source, r.label, r.samples) for r in recordings if power(r.samples)
    ]
    if background == "everyday noise":
        sounds = decode(audio_below(data / "noise" / "test"), RATE, "noise")
    else:
        sounds = [s[-len(s) // 10 :] for s in decode(dataset.background, RATE, "noise")]
    # A breath of noise, since some of the recordings have digital silence in them.
    bed = np.concatenate(sounds) + (1e-3 * rng.standard_normal(sum(map(len, sounds)))).astype(np.float32)
    stream = compose(items, bed, 20.0, 60 * MINUTES, RATE, seed=7, longest_gap_s=1.5)
    soundfile.write(tmp_path / "stream.wav", stream.samples, RATE, subtype="FLOAT")

    result = command("kws-listen", "--file", tmp_path / "stream.wav", "--json")
    *lines, summary = [json.loads(line) for line in result.stdout.splitlines()]
    events = [Event(**{k: v for k, v in line.items() if k not in ("type", "source")}) for line in lines]
    found = match(events, stream.targets, keywords)
    print(background, found.hits, found.misses, len(found.false), summary)
    assert found.hits + found.misses >= 150
    assert found.hits / (found.hits + found.misses) >= 0.85
    assert len(found.false) / MINUTES <= 2
