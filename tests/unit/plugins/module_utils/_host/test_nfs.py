# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What NFS servers export, as showmount tells it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from ansible_collections.virt.san.plugins.module_utils._errors import CommandError
from ansible_collections.virt.san.plugins.module_utils._host.host import Completed, Host
from ansible_collections.virt.san.plugins.module_utils._host.nfs import Export, parse_exports, read_exports

TOLD = """\
/srv/nfs      10.77.0.0/16,kvm1.example.org
/home         (everyone)
/srv/two parts *
"""


def test_exports() -> None:
    assert parse_exports(TOLD) == (
        Export("/home", ()),
        Export("/srv/nfs", ("10.77.0.0/16", "kvm1.example.org")),
        Export("/srv/two parts", ()),
    )
    assert parse_exports("") == ()


def test_a_server_that_does_not_tell() -> None:
    def fail(argv: Sequence[str], deadline: float, _stdin: str | None) -> Completed:
        assert (argv, deadline) == (["showmount", "--no-headers", "--exports", "nas"], 9.0)
        return Completed(tuple(argv), 1, "", "clnt_create: RPC: Program not registered\n")

    with pytest.raises(CommandError, match=r"nas does not tell what it exports.*Program not registered"):
        read_exports(Host("/nowhere", fail), "nas", 9.0)
