# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection's own keeper of pools: libvirt's XML in files, units of systemd for the boot."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from ansible_collections.virt.san.plugins.module_utils._errors import UnavailableError
from ansible_collections.virt.san.plugins.module_utils._host import keeping, systemd
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._model import pool_boot as files
from ansible_collections.virt.san.plugins.module_utils._model.pool import PoolDefinition
from ansible_collections.virt.san.plugins.module_utils._model.pool_kept import NOTHING, Kept, kept_text, parse_kept
from ansible_collections.virt.san.plugins.module_utils._model.pool_secret import MODE as SECRET_MODE
from ansible_collections.virt.san.plugins.module_utils._model.pool_secret import (
    SECRETS,
    parse_secret,
    secret_path,
    secret_text,
)
from ansible_collections.virt.san.plugins.module_utils._model.units import TARGET, UNITS, VHBA_SERVICE, target_text
from ansible_collections.virt.san.plugins.module_utils._plan.steps import Step
from ansible_collections.virt.san.plugins.module_utils._pools import steps
from ansible_collections.virt.san.plugins.module_utils._pools.plan import Known
from ansible_collections.virt.san.plugins.module_utils._xml.pool import parse_pool

if TYPE_CHECKING:
    from ansible_collections.virt.san.plugins.module_utils._model.iscsi import Chap
    from ansible_collections.virt.san.plugins.module_utils._plan.keep_steps import KeepPlan
    from ansible_collections.virt.san.plugins.module_utils._plan.pool_boot import BootSeen

WANTS = f"{UNITS}/multi-user.target.wants"


def defined(host: Host, folder: str = files.DEFINITIONS) -> tuple[str, ...]:
    """Return the names of all pools that are defined (or noted as started)."""
    return tuple(
        name[: -len(".xml")] for name in host.entries(folder) if name.endswith(".xml") and not name.startswith(".")
    )


@cache
def _parsed(text: str) -> PoolDefinition:
    """Return the pool that XML is about. Whoever looks at all pools meets each as often as there are pools."""
    return parse_pool(text)


class NativeKeeper:
    """Keeps pools in files. `program` makes the program for boots; it is asked for only where that is needed."""

    def __init__(self, host: Host, program: Callable[[], bytes] | None = None) -> None:
        self.host = host
        self._program = program

    def names(self) -> tuple[str, ...]:
        return tuple(sorted({*defined(self.host), *defined(self.host, files.STARTED)}))

    def look(self, name: str) -> Known:
        pool, spoilt = self._read(files.definition_path(name), name)
        started, lost = self._read(files.started_path(name), name)
        return Known(
            name=name,
            pool=pool,
            started=started,
            # Of a pool that has a definition the note is only about how it was started.
            spoilt=spoilt or (lost if pool is None else None),
            others=self._others(name),
            made=self._made(name),
            secret=self._secret(name),
        )

    def _others(self, name: str) -> dict[str, PoolDefinition]:
        """Return the other pools, transient ones too. One that cannot be read is in nobody's way."""
        running = {one: self._read(files.started_path(one), one)[0] for one in defined(self.host, files.STARTED)}
        kept = {one: self._read(files.definition_path(one), one)[0] for one in defined(self.host)}
        return {one: pool for one, pool in {**running, **kept}.items() if pool is not None and one != name}

    def _secret(self, name: str) -> Chap | None:
        try:
            text = self.host.read(secret_path(name))
        except UnavailableError:
            return None  # whoever is not root only looks, and needs none
        return None if text is None else parse_secret(text)

    def _made(self, name: str) -> tuple[str, ...]:
        return tuple(one for path in files.made_paths(name) for one in self._noted(path))

    def _noted(self, path: str) -> tuple[str, ...]:
        try:
            told = json.loads(self.host.read(path) or "[]")
        except ValueError:
            return ()  # what somebody has spoilt names nothing that could be taken away
        return tuple(one for one in told if isinstance(one, str)) if isinstance(told, list) else ()

    def _read(self, path: str, name: str) -> tuple[PoolDefinition | None, str | None]:
        """Return a definition; or why there is one that cannot be read."""
        data = self.host.read_bytes(path)
        if data is None:
            return None, None
        try:
            pool = _parsed(data.decode("utf-8"))
            if pool.name != name:
                return None, f"{path} is about another pool, {pool.name}"
        except ValueError as wrong:
            return None, f"{path}: {wrong}"
        try:
            return replace(pool, kept=self._read_kept(path)), None
        except ValueError as wrong:
            return None, f"{files.kept_path(path)}: {wrong}"

    def _read_kept(self, path: str) -> Kept:
        text = self.host.read(files.kept_path(path))
        return NOTHING if text is None else parse_kept(text)

    # At boot

    def boot_plan(self, name: str, autostart: bool | None) -> KeepPlan:
        from ansible_collections.virt.san.plugins.module_utils._plan.keep_steps import KeepPlan
        from ansible_collections.virt.san.plugins.module_utils._plan.pool_boot import plan_not_started, plan_started

        seen = self._boot_seen(name)
        if autostart or (autostart is None and seen.enabled and self._program is not None):
            if not systemd.is_running(self.host):
                raise UnavailableError(
                    "systemd does not run on this host, and pools are started at boot by units of systemd: leave "
                    "autostart out, and have the task run after each boot"
                )
            return plan_started(seen, self._shared())
        return plan_not_started(seen) if autostart is False else KeepPlan()

    def quiet_steps(self, name: str) -> tuple[Step, ...]:
        from ansible_collections.virt.san.plugins.module_utils._plan.keep_steps import StopUnit

        seen = self._boot_seen(name)
        return (StopUnit(files.unit_name(name)),) if seen.at_work else ()

    def start_at_boot(self, names: Sequence[str]) -> set[str]:
        host = self.host
        if not (host.exists(files.SERVICE) and systemd.is_running(host)):
            return set()
        units = systemd.read_units(host, [files.unit_name(name) for name in names])
        return {name for name in names if units[files.unit_name(name)].enabled}

    def _boot_seen(self, name: str) -> BootSeen:
        from ansible_collections.virt.san.plugins.module_utils._plan.pool_boot import SHARED, BootSeen

        host, unit = self.host, files.unit_name(name)
        contents = {path: host.read_bytes(path) for path in SHARED}
        found = {path: content for path, content in contents.items() if content is not None}
        if files.SERVICE not in found and files.PROGRAM not in found:
            return BootSeen(name)
        known = systemd.read_unit(host, unit) if systemd.is_running(host) else systemd.Unit()
        return BootSeen(
            name=name,
            files=found,
            others=any(one.startswith(files.UNIT) and one != unit for one in host.entries(WANTS)),
            vhbas=host.exists(VHBA_SERVICE),
            folders=keeping.folders(host, files.PROGRAM_FOLDERS, found),
            enabled=known.enabled,
            at_work=known.at_work,
            there=known.active != "inactive",
            stale=known.stale,
        )

    def _shared(self) -> dict[str, bytes]:
        if self._program is None:
            raise UnavailableError("the program that starts pools at boot is not at hand")
        from ansible_collections.virt.san.plugins.module_utils._apply.keep_steps import boot_python

        return {
            files.PROGRAM: self._program(),
            files.SERVICE: files.service_text(boot_python(self.host)).encode(),
            TARGET: target_text().encode(),
        }

    # Changes

    def perform(self, step: Step) -> bool:
        host = self.host
        if isinstance(step, steps.Define):
            self._write(files.definition_path(step.pool.name), step.pool)
        elif isinstance(step, steps.NoteStarted):
            self._write(files.started_path(step.pool.name), step.pool)
        elif isinstance(step, steps.NoteStopped):
            self._strike_out(step.name)
        elif isinstance(step, steps.NoteMade):
            self._note_made(step)
        elif isinstance(step, steps.KeepSecret):
            host.write_file(secret_path(step.name), secret_text(step.chap), SECRET_MODE)
        elif isinstance(step, steps.ForgetSecret):
            self._forget_secret(step.name)
        elif isinstance(step, steps.Undefine):
            host.remove_file(secret_path(step.name))
            self._note_made(steps.NoteMade(step.name, ()))
            self._remove(files.definition_path(step.name))
            keeping.remove_folders(host, files.FOLDERS)
            self._strike_out(step.name)
        else:
            return self._perform_at_boot(step)
        return True

    def _perform_at_boot(self, step: Step) -> bool:
        from ansible_collections.virt.san.plugins.module_utils._apply import keep_steps
        from ansible_collections.virt.san.plugins.module_utils._plan.keep_steps import KEEP_STEPS

        if not isinstance(step, KEEP_STEPS):
            return False
        keep_steps.perform(self.host, step)
        return True

    # The XML comes last and goes last: without it there is no pool that the rest could belong to.

    def _write(self, path: str, pool: PoolDefinition) -> None:
        from ansible_collections.virt.san.plugins.module_utils._xml.pool_text import pool_text

        if pool.kept == NOTHING:
            self.host.remove_file(files.kept_path(path))
        else:
            self.host.write_file(files.kept_path(path), kept_text(pool.kept))
        self.host.write_file(path, pool_text(pool))

    def _remove(self, path: str) -> None:
        self.host.remove_file(files.kept_path(path))
        self.host.remove_file(path)

    def _forget_secret(self, name: str) -> None:
        self.host.remove_file(secret_path(name))
        keeping.remove_folders(self.host, (SECRETS,))

    def _note_made(self, step: steps.NoteMade) -> None:
        others = tuple(one for one in step.what if one not in step.lasting)
        for path, what in zip(files.made_paths(step.name), (step.lasting, others)):
            if what:
                self.host.write_file(path, json.dumps(what) + "\n")
            else:
                self.host.remove_file(path)
        keeping.remove_folders(self.host, (files.MADE_FOR_GOOD,))
        self._remove_folders()

    def _strike_out(self, name: str) -> None:
        self._remove(files.started_path(name))
        self._remove_folders()

    def _remove_folders(self) -> None:
        # Not what is half written there: the boot may be about to note that another pool has started.
        for folder in files.STARTED_FOLDERS:
            self.host.remove_folder(folder)
