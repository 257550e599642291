# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""LVM's local configuration: the one block in it that is ours, and the devices file by LVM's own tool.

lvmlocal.conf is read after lvm.conf on every distribution, and an initramfs that has one has the other.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from ansible_collections.virt.san.plugins.module_utils._errors import CommandError, RefusedError
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._model.lvm_devices import (
    BEGUN,
    DEVICES_FILE,
    FILTER,
    Listed,
    Setting,
)

LOCAL_CONF = "/etc/lvm/lvmlocal.conf"
DEVICES = "/etc/lvm/devices/system.devices"
BEGIN = "# BEGIN virt.san.lvm_devices: kept by the collection, do not edit"
END = "# END virt.san.lvm_devices"
MADE = "# The devices file was made along with this block."

DEADLINE = 60.0
"""Seconds for one command of LVM; it reads every device it may use."""

NOTE = "/run/virt-san.lvm-pending"
"""There while a run is under way: the parts of its work that nothing else tells once it is killed in between."""

_BLOCK = re.compile(rf"^{re.escape(BEGIN)}\n(.*?)^{re.escape(END)}\n?", re.M | re.S)
_ACCEPT = re.compile(r'"a\|\^(.*?)\$\|"')
ALL_DEVICES = '["a|.*|"]'
"""What no filter looks like in LVM's own words."""


def all_devices(our_filter: bool) -> str:
    """Return the configuration under which LVM sees all it could: no devices file, no filter of ours.

    Filters of others stay: what they hide was hidden on purpose.
    """
    shown = f" global_filter={ALL_DEVICES}" if our_filter else ""
    return f'devices {{ use_devicesfile=0 hints="none"{shown} }}'


# Our block


def parse_block(text: str) -> Setting | None:
    """Return what our block says; None where there is none. Raises RefusedError when somebody else wrote into it."""
    found = _BLOCK.search(text)
    if found is None:
        if BEGIN in text or END in text:
            raise RefusedError(
                f"{LOCAL_CONF} has the beginning or the end of a block of virt.san.lvm_devices, but not both; "
                "remove what is left of it",
                path=LOCAL_CONF,
            )
        return None
    body = found.group(1)
    filtered = "global_filter" in body
    return Setting(
        method=FILTER if filtered else DEVICES_FILE,
        patterns=tuple(name.replace("[.]", ".") for name in _ACCEPT.findall(body)),
        devices_file_made=MADE in body,
        has_devices_file="use_devicesfile" in body,
    )


def render_block(setting: Setting) -> str:
    """Return the text of our block."""
    lines = [BEGIN]
    if setting.devices_file_made:
        lines.append(MADE)
    lines.append("devices {")
    lines += [f"\t{name} = {value}" for name, value in values(setting).items()]
    return "\n".join([*lines, "}", END]) + "\n"


def values(setting: Setting) -> dict[str, str]:
    """Return the settings of section devices, in LVM's own spelling."""
    found = {"multipath_component_detection": "1"}
    if setting.has_devices_file:
        found["use_devicesfile"] = "1" if setting.method == DEVICES_FILE else "0"
    if setting.method == FILTER:
        names = [f'"a|^{name.replace(".", "[.]")}$|"' for name in setting.patterns]
        found["global_filter"] = f"[{','.join([*names, _REJECT])}]"
    return found


_REJECT = '"r|.*|"'


def with_block(text: str, setting: Setting | None) -> str:
    """Return a file with our block in it (or without), and every other line as it was."""
    others = _BLOCK.sub("", text)
    if setting is None:
        return others
    return others + ("\n" if others and not others.endswith("\n") else "") + render_block(setting)


def read_conf(host: Host) -> str | None:
    """Return the local configuration as it is, to the last byte; None where there is none."""
    return _text(host, LOCAL_CONF)


def _text(host: Host, path: str) -> str | None:
    data = host.read_bytes(path)
    try:
        return None if data is None else data.decode("utf-8")
    except UnicodeDecodeError as wrong:
        raise RefusedError(
            f"{path} is not UTF-8 ({wrong}) and cannot be kept as it is; correct it", path=path
        ) from wrong


def write_conf(host: Host, text: str | None) -> None:
    """Replace the local configuration; one without a word in it is removed."""
    if text:
        host.write_file(LOCAL_CONF, text)
    else:
        host.remove_file(LOCAL_CONF)


def read_note(host: Host) -> frozenset[str]:
    """Return what a run that did not get to its end was about to do."""
    return frozenset((host.read(NOTE) or "").split()) & frozenset(BEGUN)


def write_note(host: Host, begun: frozenset[str]) -> None:
    """Note what is begun; nothing: that all is done, and what a killed run was making is not needed."""
    if begun:
        host.write_file(NOTE, "\n".join(sorted(begun)) + "\n")
    else:
        host.remove_file(ASIDE)
        host.remove_file(NOTE)


# What LVM makes of its configuration


def read_effective(host: Host) -> dict[str, str]:
    """Return the settings that count, from all files, in LVM's own spelling."""
    wanted = ["devices/use_devicesfile", "devices/global_filter", "devices/multipath_component_detection"]
    # One that a release does not know makes it fail after telling the others.
    told = host.run(["lvm", "lvmconfig", "--typeconfig", "full", *wanted], DEADLINE, accept=range(256)).stdout
    found = parse_values(told)
    if "multipath_component_detection" not in found:
        raise CommandError(f"lvmconfig does not tell LVM's configuration: {told.strip()!r}", command="lvm lvmconfig")
    return found


def parse_values(text: str) -> dict[str, str]:
    """Return name=value lines. LVM prints a list of one without its brackets."""
    rows = (line.split("=", 1) for line in text.splitlines() if "=" in line)
    return {name.strip(): _value(name.strip(), value.strip()) for name, value in rows}


def _value(name: str, text: str) -> str:
    if name != "global_filter":
        return text
    inside = text[1:-1] if text.startswith("[") else text
    return "[" + ",".join(re.split(r",\s*", inside)) + "]"


def differences(wanted: Mapping[str, str], effective: Mapping[str, str]) -> list[str]:
    """Return what LVM does not take from our block."""
    return [
        f"{name} is {effective.get(name, 'unknown')}, not {value}"
        for name, value in wanted.items()
        if effective.get(name) != value
    ]


def knows_devices_file(host: Host) -> bool:
    """Tell whether this LVM has devices files and the tool for them."""
    setting = host.run(["lvm", "lvmconfig", "--typeconfig", "default", "devices/use_devicesfile"], DEADLINE, accept=ANY)
    return setting.code == 0 and host.run(["lvm", "lvmdevices", "--help"], DEADLINE, accept=ANY).code == 0


ANY = range(256)


# The devices file

ASIDE = "/etc/lvm/devices/virt-san.devices"
"""Where a devices file is made before it counts: one half filled would hide the rest of the host's own."""

_EMPTY = "# LVM uses devices listed in this file.\n"

_USE_FILE = ["--config", "devices/use_devicesfile=1"]
"""The file is filled before LVM is told to use it."""


def make_devices_file(host: Host, paths: Iterable[str]) -> None:
    """Have LVM's tool make a devices file, and put it in its place when it has all that belongs there."""
    host.write_file(ASIDE, _EMPTY, 0o600)
    for path in paths:
        name = ASIDE.rpartition("/")[2]
        host.run(["lvm", "lvmdevices", "--yes", "--devicesfile", name, "--adddev", path], DEADLINE)
    host.write_file(DEVICES, _text(host, ASIDE) or _EMPTY, 0o600)
    host.remove_file(ASIDE)


def list_device(host: Host, path: str) -> None:
    """Have LVM's tool list a device; how it is identified is the tool's choice."""
    host.run(["lvm", "lvmdevices", "--yes", *_USE_FILE, "--adddev", path], DEADLINE)


def unlist_device(host: Host, path: str) -> None:
    """Have LVM's tool take a device off the file."""
    host.run(["lvm", "lvmdevices", "--yes", *_USE_FILE, "--deldev", path], DEADLINE)


def read_devices_file(host: Host) -> str | None:
    """Return the devices file, to restore it."""
    return _text(host, DEVICES)


def write_devices_file(host: Host, text: str | None) -> None:
    """Put a devices file back; None: there was none."""
    if text is None:
        host.remove_file(DEVICES)
    else:
        host.write_file(DEVICES, text, 0o600)


def unlist_identity(host: Host, entry: Listed) -> None:
    """Have LVM's tool take an entry off the file, whether its device is there or not, and wherever it is now."""
    found = ["--deldev", entry.identity, "--deviceidtype", entry.kind]
    host.run(["lvm", "lvmdevices", "--yes", *_USE_FILE, *found], DEADLINE)


def parse_devices(text: str) -> tuple[Listed, ...]:
    """Return the entries of a devices file."""
    found = []
    for line in text.splitlines():
        fields = dict(word.split("=", 1) for word in line.split() if "=" in word)
        if fields.get("IDTYPE") and fields.get("IDNAME"):
            found.append(Listed(fields["IDTYPE"], fields["IDNAME"], fields.get("DEVNAME", "")))
    return tuple(found)


def deactivate(host: Host, uuid: str, view: str) -> None:
    """Deactivate the one volume group with this UUID, however LVM is configured. The kernel refuses what is open."""
    host.run(["lvm", "vgchange", "-an", "--config", view, "--select", f"vg_uuid={uuid}"], DEADLINE)
