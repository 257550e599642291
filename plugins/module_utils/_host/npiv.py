# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel's interface for virtual HBAs: what to write where, and what its answers mean.

Nothing is written here: a driver may hold a write for half a minute, so that they go through the
children room.
"""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass

from ansible_collections.virt.san.plugins.module_utils._host import fc, scsi
from ansible_collections.virt.san.plugins.module_utils._host.children import Write
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._model.ids import Wwn, kernel_wwn

_FORBIDDEN = "run the task as root (become: true) on the machine itself, not in a container with a read-only /sys"
_PERMISSION = {errno.EACCES: _FORBIDDEN, errno.EPERM: _FORBIDDEN, errno.EROFS: _FORBIDDEN}
_CREATE = {
    **_PERMISSION,
    errno.EINVAL: "a port with this WWPN is there already, or the driver does not accept the name: have all WWNs been "
    "given as the SAN team has them?",
    errno.ENOSPC: "all vports of the HBA are in use: free one, or take another parent",
    errno.ENOTUNIQ: "the WWN is in use already, or the driver does not accept it",
    errno.ENOSYS: "the driver does not do NPIV on this HBA: see its firmware and options",
    errno.EOPNOTSUPP: "the driver does not do NPIV on this HBA just now: see its firmware, options and link",
    errno.ENOMEM: "the driver has no memory for one more port",
    errno.ENOENT: "the HBA is not NPIV capable, or is gone",
    errno.EIO: "the driver took a part of the names only, and is in an unknown state: see dmesg",
    errno.EINTR: "it was interrupted on the way; whether a vHBA is there shows in /sys/class/fc_vports",
}
_CREATE_LPFC = {
    # lpfc returns numbers of its own, which the kernel takes for an errno.
    errno.EPERM: "the HBA did not give its parameters (lpfc's VPORT_ERROR): see dmesg",
    errno.ENOENT: "NPIV is off in the driver (lpfc_enable_npiv) or taken by NVMe target mode, or the driver does not "
    "accept the WWN: a duplicate on this HBA, or a wrong format (lpfc's VPORT_INVAL): see dmesg",
    errno.ESRCH: "the driver has no memory for one more port (lpfc's VPORT_NOMEM)",
    errno.EINTR: "the HBA has no room for one more vport (lpfc's VPORT_NORESOURCES): free one, or take another parent",
}
_DELETE = {
    **_PERMISSION,
    errno.ENODEV: "the kernel knows no such vport on this HBA, or is creating or deleting it just now",
    errno.EAGAIN: "the vport is still looking at the fabric: try again in a minute",
    errno.EBUSY: "the vport is being created or deleted just now: try again in a minute",
    errno.EINVAL: "the kernel does not accept the name",
}
_DELETE_LPFC = {
    errno.EPERM: "it is a static vport, made by the adapter's firmware: remove it there",
    errno.ENOENT: "it is being deleted already (lpfc's VPORT_INVAL): see dmesg",
}
BUSY = (errno.EAGAIN, errno.EBUSY)
"""Answers to a deletion that nothing was done for: it may be asked again."""

JOB = "vp-{}"
"""Name of the child that writes for an HBA. Not that of its scans: one that hangs there is no obstacle here."""


def create_write(host: Host, parent: str, names: str) -> Write:
    """Return the write that makes a vport. `names`: WWPN:WWNN."""
    return Write(_attribute(host, parent, "vport_create"), names)


def delete_write(host: Host, parent: str, names: str) -> Write:
    """Return the write that deletes a vport and returns when it is gone; the attribute of the vport itself does not.

    The kernel checks nothing: the caller must have.
    """
    return Write(_attribute(host, parent, "vport_delete"), names)


@dataclass(frozen=True)
class NameWrite(Write):
    """The write that gives a vport its symbolic name, `value`; `path` is where vports are.

    It finds the vport itself: it follows the write that makes one in the same child. By the time that another child
    has begun, the kernel is busy with what is behind the new port.
    """

    wwpn: Wwn
    parent: str

    def perform(self, host: Host) -> str:
        """Do it, unless there is no such vport or its driver takes no name: then there is nothing to do."""
        name = find_vport(host, self.wwpn, self.parent)
        if name is not None and takes_name(host, name):
            host.write_attribute(f"{self.path}/{name}/symbolic_name", self.value)
        return ""


def name_write(parent: str, wwpn: Wwn, name: str) -> Write:
    """Return the write that gives a vport its symbolic name, if its driver takes one."""
    return NameWrite(fc.VPORTS, name, wwpn, parent)


def takes_name(host: Host, vport: str) -> bool:
    """Tell whether the driver takes a symbolic name for a vport."""
    return host.takes_writes(f"{fc.VPORTS}/{vport}/symbolic_name")


def _attribute(host: Host, parent: str, name: str) -> str:
    """Return where the attribute is: kernels before 2.6.32 have it with the SCSI host."""
    usual = f"{fc.HOSTS}/{parent}/{name}"
    old = f"{scsi.HOSTS}/{parent}/{name}"
    return old if not host.exists(usual) and host.exists(old) else usual


def find_vport(host: Host, wwpn: str, parent: str = "") -> str | None:
    """Return the kernel's name of the vport with a WWPN, on an HBA ("host5") or any; None when there is none.

    Quick: it is asked right after a vport was made, when the machine is busy with what is behind it.
    """
    begins = f"vport-{parent[len('host') :]}:" if parent else "vport-"
    for name in host.entries(fc.VPORTS):
        if name.startswith(begins) and kernel_wwn(host.read(f"{fc.VPORTS}/{name}/port_name")) == wwpn:
            return name
    return None


def scsi_host_of(host: Host, vport: str) -> str | None:
    """Return the SCSI host of a vport, "host7"; None while it has none."""
    for one in host.entries(f"{fc.VPORTS}/{vport}/device"):
        if one.startswith("host") and one[len("host") :].isdigit():
            return one
    return None


def why_not_created(code: int, driver: str | None) -> str:
    """Say what the kernel's answer to vport_create means and what to do."""
    return _explain(code, _CREATE_LPFC if driver == "lpfc" else {}, _CREATE)


def why_not_deleted(code: int, driver: str | None) -> str:
    """Say what the kernel's answer to vport_delete means and what to do."""
    return _explain(code, _DELETE_LPFC if driver == "lpfc" else {}, _DELETE)


def _explain(code: int, *tables: dict[int, str]) -> str:
    name = errno.errorcode.get(code, str(code))
    meaning = next((table[code] for table in tables if code in table), None)
    if meaning is None:
        return f"{os.strerror(code)} ({name}); the kernel's log (dmesg) may say more"
    return f"{meaning} (the kernel answered {name})"
