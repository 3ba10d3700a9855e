"""Every notebook of the corpus: its slice gives what the whole notebook gives."""

import subprocess
import sys
from pathlib import Path

import pytest

from bench.corpus_slices import FOLDER, read_corpus

ROOT = Path(__file__).parent.parent.parent


def test_the_corpus_is_large():
    assert len(read_corpus()) >= 80


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.cells")), ids=lambda path: path.stem)
def test_a_slice_gives_what_the_whole_notebook_gives(path):
    # In a process of its own: it forks for each run, which a process with other tests' threads must not.
    command = [sys.executable, "-m", "bench.corpus_slices", str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=250)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
