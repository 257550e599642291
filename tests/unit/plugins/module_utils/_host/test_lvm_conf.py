# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our block in LVM's local configuration, and what LVM says of its settings."""

from __future__ import annotations

import pytest

from ansible_collections.virt.san.plugins.module_utils._errors import RefusedError
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._host.lvm_conf import (
    BEGIN,
    LOCAL_CONF,
    differences,
    parse_block,
    parse_values,
    read_conf,
    render_block,
    values,
    with_block,
)
from ansible_collections.virt.san.plugins.module_utils._model.lvm_devices import DEVICES_FILE, FILTER, Setting

SETTINGS = [
    Setting(DEVICES_FILE),
    Setting(DEVICES_FILE, devices_file_made=True),
    Setting(FILTER),
    Setting(FILTER, ("/dev/disk/by-id/wwn-0x1", "/dev/disk/by-path/pci-0000:00:05.0")),
    Setting(FILTER, ("/dev/vda",), has_devices_file=False),
]
OTHERS = "# mine\nlocal {\n\thost_id = 7\n}"


@pytest.mark.parametrize("setting", SETTINGS, ids=str)
def test_a_block_says_what_was_written(setting: Setting) -> None:
    assert parse_block(render_block(setting)) == setting


@pytest.mark.parametrize("setting", SETTINGS, ids=str)
def test_other_lines_stay(setting: Setting) -> None:
    once = with_block(OTHERS, setting)
    assert once.startswith(OTHERS + "\n")
    assert with_block(once, setting) == once
    assert with_block(once, None) == OTHERS + "\n"
    assert with_block(with_block("", setting), None) == ""


def test_lines_after_the_block_stay_too() -> None:
    text = with_block(OTHERS, SETTINGS[0]) + "tags { }\n"
    assert with_block(text, None) == OTHERS + "\ntags { }\n"
    assert parse_block(with_block(text, SETTINGS[2])) == SETTINGS[2]


def test_half_a_block_is_refused() -> None:
    with pytest.raises(RefusedError, match="not both"):
        parse_block(BEGIN + "\ndevices {\n")


def test_no_block() -> None:
    assert parse_block(OTHERS) is None


def test_what_cannot_be_kept_is_refused(tmp_path) -> None:
    file = tmp_path / LOCAL_CONF.lstrip("/")
    file.parent.mkdir(parents=True)
    file.write_bytes(b"# caf\xe9\n")
    with pytest.raises(RefusedError, match="UTF-8"):
        read_conf(Host(str(tmp_path)))


def test_lvm_prints_a_list_of_one_without_brackets() -> None:
    """As 2.03.16 and 2.03.31 do."""
    told = parse_values('use_devicesfile=0\nglobal_filter="r|.*|"\nmultipath_component_detection=1\n')
    assert differences(values(Setting(FILTER)), told) == []
    told = parse_values(
        'use_devicesfile=0\nglobal_filter=["a|^/dev/vda$|", "r|.*|"]\nmultipath_component_detection=0\n'
    )
    assert differences(values(Setting(FILTER, ("/dev/vda",))), told) == ["multipath_component_detection is 0, not 1"]
