"""The array's own hand: volumes, targets and mappings by LIO and LVM. Runs in the array machine.

`arrayctl.py boot` restores the targets at boot; otherwise the one argument is JSON, [[operation, {arguments}], ...],
and the answer is JSON too. LIO's own configuration is the only record there is: what someone else maps shows up in
`list`, and `clear` removes it.
"""

from __future__ import annotations

import fcntl
import json
import mmap
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import rtslib_fb
from rtslib_fb import TPG, BlockStorageObject, FabricModule, MappedLUN, NodeACL, RTSRoot, Target

GROUP = "sanlab"
POOL = "thinpool"
DISK = "/dev/vdb"
SETTINGS = Path("/etc/sanlab/target.json")
SAVED = Path(rtslib_fb.root.default_save_file)
BLOCK = 4096

# The library stops at 255; the kernel does not.
MappedLUN.MAX_LUN = 16383


class Refused(Exception):
    """Said to the user as it is."""


def run(*command: str) -> str:
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise Refused(f"{' '.join(command[:3])}: {result.stderr.strip() or result.stdout.strip()}")
    return result.stdout


def settings() -> dict[str, Any]:
    return json.loads(SETTINGS.read_text())


# --- targets ---------------------------------------------------------------------------------------------------------


def group_of(target: str) -> TPG:
    """The portal group of a target: an FC port's ("a", "b2"...) or the iSCSI one."""
    if target == "iscsi":
        return TPG(Target(FabricModule("iscsi"), settings()["iqn"], "lookup"), 1, "lookup")
    wwn = "naa." + settings()["fc_targets"][target]
    return TPG(Target(FabricModule("tcm_fc"), wwn, "lookup"), 1, "lookup")


def target_names() -> list[str]:
    return [*settings()["fc_targets"], "iscsi"]


def ensure_targets() -> None:
    """All targets, each with an access list per host that maps nothing yet."""
    wanted = settings()
    for name, wwpn in wanted["fc_targets"].items():
        group = TPG(Target(FabricModule("tcm_fc"), f"naa.{wwpn}"), 1)
        for initiator in wanted["fc_initiators"][name]:
            NodeACL(group, f"naa.{initiator}")
    group = TPG(Target(FabricModule("iscsi"), wanted["iqn"]), 1)
    for attribute, value in (("authentication", "0"), ("generate_node_acls", "0"), ("demo_mode_write_protect", "1")):
        group.set_attribute(attribute, value)
    for address in wanted["portals"]:
        group.network_portal(address, 3260)
    for initiator in wanted["iscsi_initiators"]:
        NodeACL(group, initiator)
    group.enable = True


def ensure_store() -> None:
    """The thin pool on the second disk."""
    if subprocess.run(["vgs", GROUP], capture_output=True, check=False).returncode != 0:
        run("vgcreate", "-q", GROUP, DISK)
        run("lvcreate", "-q", "-l", "95%FREE", "-c", "256k", "-T", f"{GROUP}/{POOL}")
    run("vgchange", "-q", "-ay", GROUP)


def boot() -> None:
    ensure_store()
    if SAVED.exists():
        for problem in RTSRoot().restore_from_file():
            print(problem, file=sys.stderr)
    ensure_targets()


def save() -> None:
    """Keep the configuration, also through a crash a moment later: the library flushes only its draft."""
    RTSRoot().save_to_file()
    with SAVED.open("rb") as file:
        os.fsync(file.fileno())


# --- volumes ---------------------------------------------------------------------------------------------------------


def volume(name: str) -> BlockStorageObject:
    for found in RTSRoot().storage_objects:
        if found.name == name:
            return found
    raise Refused(f"no LUN is called {name!r}")


def wwid(found: BlockStorageObject) -> str:
    """As udev and multipath on a host show it: NAA type 3, the vendor's prefix and the beginning of the serial."""
    return ("36001405" + found.wwn.replace("-", ""))[:33]


def create(name: str, size: int, wwn_of: str | None = None) -> dict[str, str]:
    if name == POOL or any(found.name == name for found in RTSRoot().storage_objects):
        raise Refused(f"there is a LUN {name!r} already")
    wwn = volume(wwn_of).wwn if wwn_of else None
    run("lvcreate", "-q", "-y", "-W", "n", "-V", f"{size}b", "-T", f"{GROUP}/{POOL}", "-n", name)
    made = BlockStorageObject(name, dev=f"/dev/{GROUP}/{name}", wwn=wwn)
    for attribute in ("emulate_tpu", "emulate_tpws"):
        made.set_attribute(attribute, 1)
    return {"name": name, "wwid": wwid(made)}


def delete(name: str) -> None:
    found = volume(name)
    device = found.udev_path
    found.delete()
    if device.startswith(f"/dev/{GROUP}/"):
        run("lvremove", "-q", "-y", device)


def resize(name: str, size: int) -> None:
    run("lvresize", "-q", "-y", "-f", "-L", f"{size}b", volume(name).udev_path)


# --- mappings --------------------------------------------------------------------------------------------------------


def lun_in(group: TPG, found: BlockStorageObject) -> Any:
    """The group's LUN of a volume: looked for first, as a second one would be made without a word."""
    for lun in group.luns:
        if lun.storage_object.name == found.name:
            return lun
    return group.lun(None, found)


def initiator_name(target: str, initiator: str) -> str:
    return initiator if target == "iscsi" else f"naa.{initiator}"


def map_lun(name: str, number: int, target: str, initiator: str) -> None:
    group = group_of(target)
    entry = NodeACL(group, initiator_name(target, initiator))
    for mapped in entry.mapped_luns:
        if mapped.mapped_lun == number:
            if mapped.tpg_lun.storage_object.name == name:
                return
            other = mapped.tpg_lun.storage_object.name
            raise Refused(f"LUN {number} of {initiator} on target {target} is {other!r} already")
    MappedLUN(entry, number, lun_in(group, volume(name)))


def unmap(name: str, initiators: list[str] | None = None, targets: list[str] | None = None) -> int:
    """Remove mappings of a LUN: all, or those of some initiators, or of some targets."""
    volume(name)
    removed = 0
    for target, initiator, mapped in mappings():
        wanted = (initiators is None or initiator in initiators) and (targets is None or target in targets)
        if wanted and mapped.tpg_lun.storage_object.name == name:
            mapped.delete()
            removed += 1
    return removed


def mappings() -> Iterator[tuple[str, str, MappedLUN]]:
    for target in target_names():
        for entry in group_of(target).node_acls:
            for mapped in entry.mapped_luns:
                yield target, entry.node_wwn.removeprefix("naa."), mapped


def list_luns() -> list[dict[str, Any]]:
    luns = {
        found.name: {
            "name": found.name,
            "size": found.size,
            "wwid": wwid(found),
            "serial": found.wwn,
            "device": found.udev_path,
            "mappings": [],
        }
        for found in RTSRoot().storage_objects
    }
    for target, initiator, mapped in mappings():
        entry = {"target": target, "initiator": initiator, "lun": mapped.mapped_lun}
        luns[mapped.tpg_lun.storage_object.name]["mappings"].append(entry)
    return sorted(luns.values(), key=lambda lun: lun["name"])


def clear() -> dict[str, Any]:
    """Back to targets that map nothing and ask for no password: all LUNs, foreign access lists, leftover volumes go."""
    before = snapshot()
    storage = list(RTSRoot().storage_objects)
    for found in storage:
        found.delete()
    chap()
    similar_target(False)
    known = settings()
    for target in target_names():
        wanted = known["iscsi_initiators"] if target == "iscsi" else known["fc_initiators"][target]
        for entry in list(group_of(target).node_acls):
            if entry.node_wwn.removeprefix("naa.") not in wanted:
                entry.delete()
    # Seen without asking LVM, which takes a second: all our volumes are active.
    volumes = [f"{GROUP}/{path.name}" for path in Path("/dev", GROUP).glob("*") if path.name != POOL]
    if volumes:
        run("lvremove", "-q", "-y", "-f", *volumes)
    ensure_targets()
    return {"luns": len(storage), "changed": bool(volumes) or snapshot() != before}


def snapshot() -> list[str]:
    """Whatever clear could change, cheaply: the names of all objects, and whether passwords are asked for."""
    groups = [group_of(target) for target in target_names()]
    names = [str(found.path) for found in RTSRoot().storage_objects]
    names += [str(entry.path) for group in groups for entry in group.node_acls]
    iscsi = FabricModule("iscsi")
    names += [str(target.path) for target in iscsi.targets]
    return [*names, groups[-1].get_attribute("authentication"), str(iscsi.discovery_enable_auth)]


# --- contents, past every cache: LIO does not go through the array's page cache ------------------------------------


def _aligned(name: str, offset: int, length: int) -> tuple[int, int, mmap.mmap]:
    """An open descriptor, the aligned start, and a buffer that holds the aligned surroundings."""
    size = volume(name).size
    if length <= 0 or offset < 0 or offset + length > size:
        raise Refused(f"{name!r} has {size} bytes; {length} at {offset} are not inside")
    descriptor = os.open(volume(name).udev_path, os.O_RDWR | os.O_DIRECT)
    start = offset // BLOCK * BLOCK
    buffer = mmap.mmap(-1, -(-(offset + length - start) // BLOCK) * BLOCK)
    os.preadv(descriptor, [buffer], start)
    return descriptor, start, buffer


def read(name: str, offset: int, length: int) -> str:
    descriptor, start, buffer = _aligned(name, offset, length)
    os.close(descriptor)
    return buffer[offset - start : offset - start + length].hex()


def write(name: str, offset: int, data: str) -> None:
    content = bytes.fromhex(data)
    descriptor, start, buffer = _aligned(name, offset, len(content))
    buffer[offset - start : offset - start + len(content)] = content
    os.pwritev(descriptor, [buffer], start)
    os.fsync(descriptor)
    os.close(descriptor)


def chap(
    user: str | None = None,
    password: str | None = None,
    mutual_user: str = "",
    mutual_password: str = "",
    discovery: bool = False,
) -> None:
    """Ask the hosts for a name and a password at iSCSI login, or at discovery; without, at neither any more."""
    iscsi = FabricModule("iscsi")
    if discovery or not user:
        iscsi.clear_discovery_auth_settings()
    if discovery:
        iscsi.discovery_userid, iscsi.discovery_password = user, password
        iscsi.discovery_mutual_userid, iscsi.discovery_mutual_password = mutual_user, mutual_password
        iscsi.discovery_enable_auth = True
        return
    group = group_of("iscsi")
    group.set_attribute("authentication", "1" if user else "0")
    for entry in group.node_acls:
        entry.chap_userid, entry.chap_password = user or "", password or ""
        entry.chap_mutual_userid, entry.chap_mutual_password = mutual_user, mutual_password


def similar_target(on: bool) -> None:
    """A second iSCSI target, without LUNs, whose name begins with the whole name of the first."""
    wanted = settings()
    name = f"{wanted['iqn']}0"
    if not on:
        for target in list(FabricModule("iscsi").targets):
            if target.wwn == name:
                target.delete()
        return
    group = TPG(Target(FabricModule("iscsi"), name), 1)
    for attribute in ("authentication", "generate_node_acls"):
        group.set_attribute(attribute, "0")
    for address in wanted["portals"]:
        group.network_portal(address, 3260)
    for initiator in wanted["iscsi_initiators"]:
        NodeACL(group, initiator)
    group.enable = True


OPERATIONS: dict[str, Callable[..., Any]] = {
    "create": create, "delete": delete, "resize": resize, "map": map_lun, "unmap": unmap, "list": list_luns,
    "clear": clear, "read": read, "write": write, "chap": chap,
    "similar_target": similar_target,
}  # fmt: skip
QUERIES = {"list", "read", "write"}


def main(argument: str) -> None:
    if argument == "boot":
        boot()
        return
    with open("/run/sanlab-array.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        answers, changes = [], False
        try:
            for operation, arguments in json.loads(argument):
                answer = OPERATIONS[operation](**arguments)
                answers.append(answer)
                # Saving takes a second.
                unchanged = operation == "clear" and not answer["changed"]
                changes = changes or (operation not in QUERIES and not unchanged)
        except BaseException:
            changes = True
            raise
        finally:
            if changes:
                save()
    print(json.dumps(answers))


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except (Refused, rtslib_fb.RTSLibError, OSError) as error:
        sys.exit(str(error))
