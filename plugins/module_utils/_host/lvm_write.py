# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What LVM is told to do. Never with --force, and never with --yes where it would ask whether something may be lost."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from ansible_collections.virt.san.plugins.module_utils._errors import CommandError, RefusedError
from ansible_collections.virt.san.plugins.module_utils._host import lvm_conf
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._model.group import TAG
from ansible_collections.virt.san.plugins.module_utils._model.lvm_devices import FILTER

DEADLINE = 120.0
"""Seconds for a command that changes metadata."""

BEGIN = "# BEGIN virt.san.storage_pool: this host's system ID, do not edit"
END = "# END virt.san.storage_pool"
_BLOCK = re.compile(rf"^{re.escape(BEGIN)}\n.*?^{re.escape(END)}\n?", re.M | re.S)


def _lvm(host: Host, *words: str, deadline: float = DEADLINE) -> None:
    host.run(["lvm", *words], deadline)


def _selected(uuid: str) -> tuple[str, str]:
    """Return what names a group surely: two of one name can meet on a host."""
    return ("--select", f"vg_uuid={uuid}")


def create_pv(host: Host, path: str, uuid: str) -> None:
    """Label a device. LVM asks before it writes over a signature, and gets no answer."""
    _lvm(host, "pvcreate", "--uuid", uuid, "--norestorefile", path)


def create_group(host: Host, name: str, system: str, paths: Sequence[str], autoactivation: bool) -> None:
    """Make a group of labelled devices, which belongs to the host with this system ID."""
    # Our own code activates it, if it is to be active at boot.
    off = () if autoactivation else ("--setautoactivation", "n")
    _lvm(host, "vgcreate", "--systemid", system, "--addtag", TAG, *off, name, *paths)


def knows_autoactivation(host: Host) -> bool:
    """Tell whether this LVM can keep a group from being activated by events (since 2.03.12)."""
    told = host.run(["lvm", "vgcreate", "--help"], DEADLINE, accept=range(256))
    return "--setautoactivation" in told.stdout + told.stderr


def extend_group(host: Host, name: str, path: str) -> None:
    _lvm(host, "vgextend", name, path)


def resize_pv(host: Host, path: str) -> None:
    """Have the group use all of a device that has grown."""
    _lvm(host, "pvresize", path)


def move_away(host: Host, path: str, onto: Sequence[str], deadline: float) -> None:
    """Move all that is on a device to others of its group.

    Raises CommandError at the deadline (seconds): what is moved by then is kept, and another call goes on.
    """
    _lvm(host, "pvmove", path, *onto, deadline=deadline)


def reduce_group(host: Host, name: str, path: str) -> None:
    _lvm(host, "vgreduce", name, path)


def activate(host: Host, uuid: str) -> None:
    _lvm(host, "vgchange", "--activate", "y", *_selected(uuid))


def deactivate(host: Host, uuid: str) -> None:
    """Deactivate all volumes; the kernel refuses those that are open."""
    _lvm(host, "vgchange", "--activate", "n", *_selected(uuid))


def remove_volumes(host: Host, uuid: str) -> None:
    """Remove every volume of an inactive group: the question is answered by the task that asks for it."""
    _lvm(host, "lvremove", "--yes", *_selected(uuid))


def remove_group(host: Host, uuid: str) -> None:
    """Remove a group without volumes."""
    _lvm(host, "vgremove", *_selected(uuid))


def set_system_id(host: Host, system: str) -> None:
    """Give this host a system ID. Raises RefusedError where LVM does not take it from our block."""
    text = lvm_conf.read_conf(host) or ""
    others = _BLOCK.sub("", text)
    gap = "\n" if others and not others.endswith("\n") else ""
    block = f'{BEGIN}\nglobal {{\n\tsystem_id_source = "lvmlocal"\n}}\nlocal {{\n\tsystem_id = "{system}"\n}}\n{END}\n'
    lvm_conf.write_conf(host, others + gap + block)
    told = host.run(["lvm", "systemid"], lvm_conf.DEADLINE).stdout
    if told.partition(":")[2].strip() != system:
        lvm_conf.write_conf(host, text)
        raise RefusedError(
            f"LVM does not take the system ID {system} from {lvm_conf.LOCAL_CONF}: {told.strip()!r}. Something else "
            "sets global/system_id_source or local/system_id; give this host a system ID there, or remove that"
        )


# Which devices LVM uses


def use_device(host: Host, path: str, lasting: str) -> None:
    """Have LVM use a device, in the way it is told which ones to use. `lasting`: a name that survives a reboot."""
    setting = lvm_conf.parse_block(lvm_conf.read_conf(host) or "")
    if setting is not None and setting.method == FILTER:
        patterns = tuple(sorted({*setting.patterns, lasting}))
        _write_setting(host, patterns)
    elif lvm_conf.read_devices_file(host) is not None:
        lvm_conf.list_device(host, path)


def forget_device(host: Host, path: str, lasting: str) -> None:
    """Have LVM no longer use a device: one that is blank, on which another host may build next."""
    setting = lvm_conf.parse_block(lvm_conf.read_conf(host) or "")
    if setting is not None and setting.method == FILTER:
        _write_setting(host, tuple(name for name in setting.patterns if name not in (path, lasting)))
        return
    text = lvm_conf.read_devices_file(host)
    if text is not None and any(entry.name == path for entry in lvm_conf.parse_devices(text)):
        lvm_conf.unlist_device(host, path)


def _write_setting(host: Host, patterns: tuple[str, ...]) -> None:
    text = lvm_conf.read_conf(host) or ""
    setting = lvm_conf.parse_block(text)
    if setting is None:
        raise CommandError(f"the block of virt.san.lvm_devices is gone from {lvm_conf.LOCAL_CONF}")
    lvm_conf.write_conf(host, lvm_conf.with_block(text, replace(setting, patterns=patterns)))
