"""Sound files from strangers: whatever is in them, they are heard or refused in one line."""

from __future__ import annotations

import pytest
from fuzz.sounds import SEEDS, SoundMutants, seeds


@pytest.mark.parametrize("suffix", SEEDS)
def test_mutants_of_sound_are_heard_or_refused(suffix, campaign):
    campaign(suffix, SoundMutants(suffix, seeds(suffix)), mutants=100)
