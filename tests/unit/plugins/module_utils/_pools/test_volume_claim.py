# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several runs at volumes: what each needs for itself, and what must not have changed after long work."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.virt.san.plugins.module_utils._errors import InUseError, RefusedError
from ansible_collections.virt.san.plugins.module_utils._model.claim import Claim
from ansible_collections.virt.san.plugins.module_utils._model.volume import Backing, WantedVolume
from ansible_collections.virt.san.plugins.module_utils._pools.volume_base import VolumeSight
from ansible_collections.virt.san.plugins.module_utils._pools.volume_claim import (
    claim_of,
    refuse_claimed,
    refuse_other,
)
from ansible_collections.virt.san.tests.unit.support.volume_world import GUESTS, IMAGES, MIB, image, lv

OWN = "/images/a"
HERE = VolumeSight(pool=IMAGES, running=True, volume=image("a"))
NOT_YET = VolumeSight(pool=IMAGES, running=True)
BASE = image("base")


@pytest.mark.parametrize(
    ("sight", "more", "writes", "reads"),
    [
        (NOT_YET, {"capacity": MIB}, (OWN,), ()),
        (NOT_YET, {"state": "absent"}, (OWN,), ()),
        (replace(NOT_YET, source=BASE), {"clone_from": Backing("base")}, (OWN,), ("/images/base",)),
        (replace(NOT_YET, backing=BASE), {"backing": Backing("base")}, (OWN,), ("/images/base",)),
        (HERE, {"capacity": MIB}, (), (OWN,)),
        (HERE, {"capacity": 2 * MIB}, (OWN,), ()),
        (HERE, {"state": "absent"}, (OWN,), ()),
        (HERE, {"upload_from": "/f"}, (OWN,), ("/f",)),
        (HERE, {"download_to": "/f"}, ("/f",), (OWN,)),
        (replace(HERE, volume=replace(image("a"), path="/real/a")), {}, (), (OWN, "/real/a")),
    ],
)
def test_what_a_run_needs(
    sight: VolumeSight, more: dict[str, Any], writes: tuple[str, ...], reads: tuple[str, ...]
) -> None:
    wanted = Claim("volume a of pool images", writes, reads, pool="images")
    assert claim_of("images", WantedVolume("a", **more), sight, OWN) == wanted


def test_who_has_it() -> None:
    with pytest.raises(InUseError, match=r"copied by pid 7\. Wait for it or end it") as caught:
        refuse_claimed("/images/a is being copied by pid 7", OWN)
    assert caught.value.details == {"path": OWN, "holders": ["/images/a is being copied by pid 7"]}


COPYING = replace(NOT_YET, source=BASE)
HALF = VolumeSight(pool=GUESTS, running=True, leftover=lv("a"))
READS = Claim("", (), (OWN, "/images/base"))
WRITES = Claim("", (OWN, "/dev/guests/a"), ("/images/base",))


@pytest.mark.parametrize(
    ("before", "now", "claim"),
    [
        (NOT_YET, NOT_YET, WRITES),
        (COPYING, replace(COPYING, free=7), WRITES),
        (HALF, HALF, WRITES),
        (HERE, replace(HERE, volume=image("a", 2 * MIB, modified=9, format="qcow2")), WRITES),
        (replace(HERE, users=("vm1",)), replace(HERE, users=()), READS),
    ],
)
def test_as_it_was(before: VolumeSight, now: VolumeSight, claim: Claim) -> None:
    refuse_other(before, now, claim)


@pytest.mark.parametrize(
    ("before", "now", "claim", "says"),
    [
        (NOT_YET, replace(NOT_YET, running=False), WRITES, "pool images was stopped meanwhile"),
        (NOT_YET, replace(NOT_YET, pool=GUESTS), WRITES, "pool images was stopped meanwhile, or is another one"),
        (NOT_YET, VolumeSight(), WRITES, "pool images was stopped"),
        (NOT_YET, replace(NOT_YET, taken_by="a folder"), WRITES, "belongs to a folder meanwhile"),
        (NOT_YET, HERE, WRITES, "/images/a is not what it was"),
        (HERE, NOT_YET, WRITES, "/images/a is not what it was"),
        (HERE, replace(HERE, volume=image("a", inode="254:0:7")), WRITES, "/images/a is not what it was"),
        (HERE, replace(HERE, volume=image("a", modified=9)), READS, "/images/a is not what it was"),
        (COPYING, NOT_YET, WRITES, "/images/base is not what it was"),
        (COPYING, replace(COPYING, source=image("base", modified=9)), WRITES, "/images/base is not what it was"),
        (COPYING, replace(COPYING, source=image("base", 2 * MIB)), WRITES, "/images/base is not what it was"),
        (COPYING, replace(COPYING, source_users=("vm1",)), WRITES, "vm1 has opened it meanwhile"),
        (HERE, replace(HERE, users=("vm1", "vm2")), WRITES, "vm1, vm2 has opened it"),
        (HALF, replace(HALF, leftover=replace(lv("a"), key="uuid-other")), WRITES, "/dev/guests/a is not what it was"),
        (HALF, replace(HALF, leftover=None), WRITES, "/dev/guests/a is not what it was"),
    ],
)
def test_not_as_it_was(before: VolumeSight, now: VolumeSight, claim: Claim, says: str) -> None:
    with pytest.raises(RefusedError, match=says):
        refuse_other(before, now, claim)
