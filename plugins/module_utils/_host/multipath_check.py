# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Would multipath of this host take a drop-in? Found out before any file of the host changes.

multipath only warns about what it does not understand, and takes no other configuration than the one
in /etc: udev's rules read that one at every event, multipathd at its next reconfigure. So `multipath -t`
runs in a mount namespace of its own, where /etc is a small file system in memory with the host's
configuration and the candidate in it. Nothing is written to the host, and nothing else sees it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping

from ansible_collections.virt.san.plugins.module_utils._errors import CommandError, InputError, UnavailableError
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._host.multipath_conf import (
    DROP_IN,
    Entry,
    aliases_of,
    other_files,
    parse_conf,
    render,
    settings_of,
)
from ansible_collections.virt.san.plugins.module_utils._model.multipath import DropIn

MULTIPATH = "/sbin/multipath"

PROGRAM = """\
import ctypes, json, os, sys
CLONE_NEWNS, MS_REC, MS_PRIVATE = 0x20000, 0x4000, 0x40000
files = json.load(sys.stdin)
libc = ctypes.CDLL(None, use_errno=True)
def done(result, what):
    if result:
        sys.exit(what + ": " + os.strerror(ctypes.get_errno()))
done(libc.unshare(CLONE_NEWNS), "unshare")
done(libc.mount(b"none", b"/", None, ctypes.c_ulong(MS_REC | MS_PRIVATE), None), "make / private")
done(libc.mount(b"virt-san", b"/etc", b"tmpfs", ctypes.c_ulong(0), b"size=64m,mode=0755"), "mount /etc")
for path, text in files.items():
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as stream:
        stream.write(text)
os.execv(sys.argv[1], [sys.argv[1], "-v2", "-t"])
"""

_WORKS_STILL = "will be disabled in a future release"

_SAME = (
    frozenset(("yes", "on", "1")),
    frozenset(("no", "off", "0", "fail", "none")),
    frozenset(("infinity", "max", "2147483647", "4294967295")),
)
"""multipath prints some values in another spelling than they were given in."""


def installed(host: Host) -> bool:
    """Tell whether multipath's tools are on this host."""
    return host.exists(MULTIPATH)


def check_drop_in(host: Host, drop_in: DropIn, deadline: float) -> None:
    """Raise InputError that says what multipath of this host would not take in our drop-in, or take otherwise.

    `deadline` is seconds. Raises CommandError when multipath cannot be asked, UnavailableError without it.
    """
    if not installed(host):
        raise UnavailableError("multipath is not installed on this host; install it (role virt.san.host does)")
    files = {**other_files(host), DROP_IN: render(drop_in)}
    done = host.run([sys.executable, "-I", "-c", PROGRAM, MULTIPATH], deadline, json.dumps(files))
    conf = parse_conf(done.stdout)
    if not settings_of(conf, ("defaults",)):
        raise CommandError(
            "multipath -t printed no configuration", stdout=done.stdout[-2000:], stderr=done.stderr[-2000:]
        )
    problems = [_told(line) for line in done.stderr.splitlines() if DROP_IN in line and _WORKS_STILL not in line]
    problems = problems or [*_unlike(drop_in, conf), *_other_aliases(drop_in, conf)]
    if problems:
        raise InputError(
            f"multipath of this host does not take the configuration: {'; '.join(problems)}. Nothing was changed",
            problems=problems,
        )


def _told(line: str) -> str:
    """Return a warning of multipath without time stamp, path and line number (the file is never there)."""
    message = line.partition(DROP_IN)[2].strip(" :,")
    if message.startswith("line "):
        message = message.partition(" ")[2].partition(" ")[2]
    return message.strip(" :,")


def _unlike(drop_in: DropIn, conf: Entry) -> list[str]:
    """Return the settings that multipath reads, but not as they were given."""
    read: Mapping[str, Mapping[str, str]] = settings_of(conf)
    problems = []
    for section, options in drop_in.settings.items():
        for name, value in options.items():
            taken = read.get(section, {}).get(name)
            if not _same(value, taken):
                as_what = f"taken as {taken!r}" if taken is not None else "ignored"
                problems.append(f"{section}.{name}: {value!r} is {as_what} (or a later file in conf.d says otherwise)")
    return problems


def _same(given: str, taken: str | None) -> bool:
    """Tell whether multipath took a value as given. What means "off" may not be printed at all."""
    low, read = given.lower(), "off" if taken is None else " ".join(taken.lower().split())
    return (
        low == read or any(low in spellings and read in spellings for spellings in _SAME) or _equal_numbers(low, read)
    )


def _equal_numbers(given: str, taken: str) -> bool:
    try:
        return int(given, 0) == int(taken, 0)
    except ValueError:
        return False


def _other_aliases(drop_in: DropIn, conf: Entry) -> list[str]:
    """Return the aliases that a later file takes back."""
    read = aliases_of(conf)
    return [
        f"the alias {alias} of {wwid} is overridden with {read.get(wwid, '')!r} by a later file in conf.d"
        for wwid, alias in drop_in.devices.items()
        if alias and read.get(wwid) != alias
    ]
