"""Makes the lab's package importable: it is a program beside the collection, not a part of it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

LAB_DIR = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(LAB_DIR))


@pytest.fixture
def lab(tmp_path: Path):
    """A lab of its own, with state below the test's folder."""
    from sanlab.config import Lab

    (tmp_path / "guest").symlink_to(LAB_DIR / "guest")
    made = Lab(tmp_path, os.getuid())
    yield made
    if made.runtime.exists():
        for path in made.runtime.iterdir():
            path.unlink()
        made.runtime.rmdir()
