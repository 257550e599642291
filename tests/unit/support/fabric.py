# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host on a SAN, in the model's terms: what the targets have, and what a kernel makes of scans.

It behaves as the kernel does where a rescan depends on it: a scan adds what the target has at that
very address and nothing else, skips what is not online, never touches a device that exists, and a
device that is there hides whatever the target puts behind the address.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from ansible_collections.virt.san.plugins.module_utils._model.block import LogicalUnit, MultipathMap, Path, San, Use
from ansible_collections.virt.san.plugins.module_utils._model.fabric import Hba, Target
from ansible_collections.virt.san.plugins.module_utils._model.ids import Hctl, Wwid, Wwn
from ansible_collections.virt.san.plugins.module_utils._plan.rescan import (
    DeletePlaceholder,
    Reread,
    RescanStep,
    Scan,
    Seen,
)

GIB = 2**30


def wwid(number: int) -> Wwid:
    return Wwid(f"36001405{number:025d}")


def wwpn(number: int) -> Wwn:
    return Wwn(f"50000000000000{number:02x}")


def target(number: int, target_id: int | None = 0, state: str = "Online", roles: str = "FCP Target") -> Target:
    return Target(wwpn(number), wwpn(number + 100), state, tuple(roles.split(", ")), 0, target_id)


def session(name: str, state: str = "LOGGED_IN", portal: str = "10.0.0.1:3260") -> Target:
    return Target(name, None, state, (), 0, 0, portal)


def hba(number: int, *targets: Target, transport: str = "fc", port_state: str | None = "Online") -> Hba:
    fibre = transport in ("fc", "fcoe")
    return Hba(
        number=number,
        transport=transport,
        wwpn=wwpn(200 + number) if fibre else None,
        initiator=wwpn(200 + number) if fibre else "iqn.2026-01.test:host" if transport == "iscsi" else None,
        port_state=port_state if fibre else None,
        targets=targets,
    )


@dataclass(frozen=True)
class Volume:
    """What the array has behind one address."""

    number: int
    """Of the volume: two addresses with one volume are two paths of one unit."""
    size: int = GIB
    placeholder: bool = False
    """Qualifier 1: the kernel adds a device without a disk."""

    @property
    def wwid(self) -> Wwid:
        return wwid(self.number)


@dataclass
class FakeSan:
    """One host and what its targets have: `luns` by (HBA, target name), then by the kernel's LUN number."""

    hbas: tuple[Hba, ...]
    luns: dict[tuple[str, str | None], dict[int, Volume]] = field(default_factory=dict)
    uses: dict[Wwid, tuple[Use, ...]] = field(default_factory=dict)
    states: dict[Hctl, str] = field(default_factory=dict)
    maps: dict[Wwid, str] = field(default_factory=dict)
    known: dict[Hctl, Volume] = field(default_factory=dict)
    """What the kernel believes."""

    def put(self, hba: str, target: str | None, lun: int, volume: Volume, *, scanned: bool = False) -> None:
        self.luns.setdefault((hba, target), {})[lun] = volume
        if scanned:
            self._add(hba, target, lun)

    def apply(self, steps: Iterable[RescanStep]) -> None:
        for step in steps:
            if isinstance(step, DeletePlaceholder):
                del self.known[step.hctl]
            elif isinstance(step, Reread):
                self.known[step.hctl] = self._behind(step.hctl)
            else:
                self._scan(step)

    def seen(self) -> Seen:
        paths = {hctl: self._path(hctl, volume) for hctl, volume in sorted(self.known.items())}
        disks = {hctl: path for hctl, path in paths.items() if path.device}
        san = San(
            hbas=self.hbas,
            luns=self._units(disks),
            orphans=tuple(path for path in paths.values() if not path.device),
            multipath_running=bool(self.maps),
        )
        recorded = frozenset(path.device for path in disks.values())
        placeholders = frozenset(hctl for hctl, volume in self.known.items() if volume.placeholder)
        return Seen(san, devices=frozenset(paths), placeholders=placeholders, recorded=recorded)

    # The kernel.

    def _scan(self, scan: Scan) -> None:
        for (name, port), luns in self.luns.items():
            if name == scan.hba and self._reached(scan, name, port):
                for lun in luns if scan.lun is None else [scan.lun]:
                    if lun in luns:
                        self._add(name, port, lun)

    def _reached(self, scan: Scan, name: str, port: str | None) -> bool:
        channel, target_id, scannable = self._address(name, port)
        return scannable and scan.channel in (None, channel) and scan.target_id in (None, target_id)

    def _add(self, name: str, port: str | None, lun: int) -> None:
        channel, target_id, _scannable = self._address(name, port)
        hctl = Hctl(int(name[4:]), channel, target_id, lun)
        self.known.setdefault(hctl, self.luns[name, port][lun])

    def _address(self, name: str, port: str | None) -> tuple[int, int, bool]:
        if port is None:
            return 0, 0, True
        found = next(one for hba in self.hbas if hba.name == name for one in hba.targets if one.name == port)
        return found.channel or 0, -1 if found.target_id is None else found.target_id, found.scannable

    def _behind(self, hctl: Hctl) -> Volume:
        return next(
            luns[hctl.lun]
            for (name, port), luns in self.luns.items()
            if name == f"host{hctl.host}" and self._address(name, port)[1] == hctl.target and hctl.lun in luns
        )

    # The model.

    def _path(self, hctl: Hctl, volume: Volume) -> Path:
        owner = next(hba for hba in self.hbas if hba.number == hctl.host)
        port = next((one for one in owner.targets if one.target_id == hctl.target), None)
        return Path(
            device="" if volume.placeholder else f"sd_{hctl.host}_{hctl.target}_{hctl.lun}",
            hctl=hctl,
            state=self.states.get(hctl, "running"),
            transport=owner.transport,
            hba=owner.name,
            initiator=owner.initiator,
            target=port.name if port else None,
            portal=port.portal if port else None,
            size=0 if volume.placeholder else volume.size,
            wwid=volume.wwid,
        )

    def _units(self, disks: Mapping[Hctl, Path]) -> tuple[LogicalUnit, ...]:
        by_wwid: dict[Wwid, list[Path]] = {}
        for path in disks.values():
            assert path.wwid is not None
            by_wwid.setdefault(path.wwid, []).append(path)
        return tuple(
            LogicalUnit(one, tuple(paths), paths[0].size, self._map(one, paths), uses=self.uses.get(one, ()))
            for one, paths in sorted(by_wwid.items())
        )

    def _map(self, one: Wwid, paths: list[Path]) -> MultipathMap | None:
        if one not in self.maps:
            return None
        return MultipathMap(self.maps[one], "dm-0", one, tuple(path.device for path in paths), paths[0].size)


def without(hbas: tuple[Hba, ...], name: str) -> tuple[Hba, ...]:
    """Return the HBAs with one that has lost its targets."""
    return tuple(replace(one, targets=()) if one.name == name else one for one in hbas)


def two_fabrics(*, luns: Mapping[int, int] | None = None, scanned: Iterable[int] = ()) -> FakeSan:
    """Return a host with an HBA in either of two fabrics, one target in each, and an ATA disk.

    `luns`: volume by LUN number, over both; `scanned`: LUN numbers the kernel knows already.
    """
    san = FakeSan((hba(1, transport="ata"), hba(2, target(1)), hba(3, target(2))))
    for lun, volume in (luns or {}).items():
        for name, port in (("host2", wwpn(1)), ("host3", wwpn(2))):
            san.put(name, port, lun, Volume(volume), scanned=lun in scanned)
    return san
