# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from ansible_collections.virt.san.plugins.module_utils._apply.multipath_flush import forget
from ansible_collections.virt.san.plugins.module_utils._errors import CommandError
from ansible_collections.virt.san.plugins.module_utils._host.host import Completed, Host
from ansible_collections.virt.san.plugins.module_utils._host.multipath_conf import WWIDS
from ansible_collections.virt.san.plugins.module_utils._model.ids import Wwid

ONE, OTHER = Wwid("360014050000000000000000000000001"), Wwid("360014050000000000000000000000002")


def remembering(root: Path, strikes: bool = True) -> Host:
    """Return a host whose multipath knows two units; without `strikes` it says 0 and does nothing."""
    file = Path(f"{root}{WWIDS}")
    file.parent.mkdir(parents=True)
    file.write_text(f"# Multipath wwids\n/{ONE}/\n/{OTHER}/\n", encoding="ascii")

    def run(argv: Sequence[str], _deadline: float, _stdin: str | None) -> Completed:
        assert list(argv) == ["multipath", "-w", ONE]
        if strikes:
            file.write_text(file.read_text(encoding="ascii").replace(f"/{ONE}/", f"#{ONE}/"), encoding="ascii")
        return Completed(tuple(argv), 0, "", "")

    return Host(str(root), run)


def test_what_is_forgotten_is_so_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host = remembering(tmp_path)
    synced: dict[str, str] = {}
    monkeypatch.setattr(host, "sync", lambda path: synced.setdefault(path, host.read(WWIDS) or ""))
    forget(host, ONE)
    assert f"/{ONE}/" not in synced[WWIDS]
    assert f"/{OTHER}/" in synced[WWIDS]
    assert os.path.dirname(WWIDS) in synced, "the file may be new"


def test_multipath_says_it_forgot_and_did_not(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="did not remove"):
        forget(remembering(tmp_path, strikes=False), ONE)
