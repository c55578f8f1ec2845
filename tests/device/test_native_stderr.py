"""Standard error while libraries are kept quiet, in a process of its own each time."""

from __future__ import annotations

import subprocess
import sys

import pytest

PRELUDE = """
import os, sys
from contextlib import ExitStack
from kws_device._support.native_stderr import keep_own_stderr, overheard, quiet_libraries
say = lambda text: os.write(2, (text + "\\n").encode())
"""


def stderr_of(script: str) -> list[str]:
    """The lines that a script leaves on standard error."""
    arguments = [sys.executable, "-c", PRELUDE + script]
    result = subprocess.run(arguments, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stderr.splitlines()


def test_what_c_code_writes_meanwhile_is_not_seen_and_later_lines_are():
    assert stderr_of("with quiet_libraries(): say('chatter')\nsay('told')") == ["told"]


# As two threads may enter and leave; in one thread, so that the order is certain.
@pytest.mark.parametrize("first_to_end", [0, 1])
def test_blocks_that_overlap_leave_standard_error_as_it_was(first_to_end):
    script = f"""
blocks = [quiet_libraries(), quiet_libraries()]
for block in blocks: block.__enter__()
for i in ({first_to_end}, {1 - first_to_end}):
    say('chatter')
    blocks[i].__exit__(None, None, None)
say('told')
"""
    assert stderr_of(script) == ["told"]


def test_threads_that_overlap_again_and_again_leave_standard_error_as_it_was():
    script = """
import threading
def chatter():
    for _ in range(300):
        with quiet_libraries(): say('chatter')
threads = [threading.Thread(target=chatter) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
say('told')
"""
    assert stderr_of(script) == ["told"]


def test_the_inner_of_two_nested_blocks_decides_and_the_outer_one_again_after_it():
    script = """
with overheard() as outer:
    say('one')
    with quiet_libraries(): say('lost')
    say('two')
say(' '.join(outer))
"""
    assert stderr_of(script) == ["one two"]


def test_no_descriptor_is_left_open():
    script = """
count = lambda: len(os.listdir('/proc/self/fd'))
before = count()
for _ in range(10):
    with quiet_libraries(), overheard(): pass
say(str(count() - before))
"""
    assert stderr_of(script) == ["0"]


def test_a_stream_of_its_own_is_heard_even_if_it_was_made_in_a_quiet_block():
    script = """
with quiet_libraries():
    keep_own_stderr()
    say('chatter')
    print('told', file=sys.stderr)
print('told again', file=sys.stderr)
"""
    assert stderr_of(script) == ["told", "told again"]
