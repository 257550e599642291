"""The shape of the lab: machines, ports, addresses, names. Pure: reads nothing, starts nothing."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from .errors import LabError
from .recipe import DEBIAN_12, DEBIAN_13

FABRICS = ("a", "b")
MGMT = "mgmt"
SSH_ALIAS_PREFIX = "sanlab-"
# Full-size FCoE frames need 2158 bytes.
FABRIC_MTU = 2500


@dataclass(frozen=True)
class Port:
    """One network card in a fabric: a Fibre Channel port that carries IP beside it."""

    machine: str
    nic: str

    @property
    def fabric(self) -> str:
        return self.nic[0]

    @property
    def name(self) -> str:
        return f"{self.machine}:{self.nic}"


@dataclass(frozen=True)
class Machine:
    """One virtual machine."""

    name: str
    release: str
    number: int  # last byte of its addresses
    memory_mib: int
    nics: tuple[str, ...]  # in the fabrics
    data_gib: int = 0  # size of a second disk

    @property
    def is_array(self) -> bool:
        return self.data_gib > 0

    @property
    def ports(self) -> tuple[Port, ...]:
        return tuple(Port(self.name, nic) for nic in self.nics)

    def address(self, nic: str) -> str | None:
        """The IPv4 address on a fabric card; the array's second targets carry none."""
        network = {"a": 1, "b": 2}.get(nic)
        return f"10.77.{network}.{self.number}" if network else None


ARRAY = Machine("array", DEBIAN_12, 1, 1024, ("a", "b", "a2", "b2"), data_gib=64)
HOSTS = (
    Machine("kvm1", DEBIAN_12, 11, 2048, ("a", "b")),
    Machine("kvm2", DEBIAN_13, 12, 2048, ("a", "b")),
)
MACHINES = {machine.name: machine for machine in (ARRAY, *HOSTS)}


def machine_named(name: str) -> Machine:
    """The machine of that name, or an error that lists the names there are."""
    if name not in MACHINES:
        raise LabError(f"no machine is called {name!r}; there are: {', '.join(MACHINES)}")
    return MACHINES[name]


def machines_named(names: list[str]) -> list[Machine]:
    """The machines of those names; all of them where no name is given."""
    return [machine_named(name) for name in names] if names else list(MACHINES.values())


def hosts_named(names: list[str]) -> list[Machine]:
    """The hosts of those names; both where no name is given."""
    for name in names:
        if machine_named(name).is_array:
            raise LabError(f"{name} is the array, not a host; hosts are: {', '.join(host.name for host in HOSTS)}")
    return [host for host in HOSTS if not names or host.name in names]


def all_ports() -> list[Port]:
    """Every Fibre Channel port of the lab."""
    return [port for machine in MACHINES.values() for port in machine.ports]


def port_named(name: str) -> Port:
    """The port "MACHINE:NIC", or an error that lists the ports there are."""
    for port in all_ports():
        if port.name == name:
            return port
    raise LabError(f"no port is called {name!r}; there are: {', '.join(port.name for port in all_ports())}")


@dataclass(frozen=True)
class Lab:
    """One checkout's lab. Every name that could meet another lab's is derived from where the checkout is, and whose."""

    directory: Path  # tests/lab of the checkout
    uid: int

    @property
    def key(self) -> str:
        return hashlib.sha256(f"{self.uid}:{self.directory}".encode()).hexdigest()[:10]

    @property
    def state(self) -> Path:
        return self.directory / ".state"

    @property
    def runtime(self) -> Path:
        """Sockets: a short path, as the kernel takes 108 bytes; not TMPDIR, which differs from caller to caller."""
        return Path("/tmp") / f"sanlab-{self.uid}-{self.key}"

    @property
    def logs(self) -> Path:
        return self.state / "logs"

    @property
    def ssh_config(self) -> Path:
        return self.state / "ssh_config"

    def _digest(self, *parts: str) -> str:
        return hashlib.sha256("/".join((self.key, *parts)).encode()).hexdigest()

    def mac(self, machine: str, nic: str) -> str:
        """A locally administered address."""
        digest = self._digest("mac", machine, nic)
        return ":".join(["52", "54", *(digest[at : at + 2] for at in range(0, 8, 2))])

    def wwpn(self, port: Port) -> str:
        """What libfcoe makes of the card's address: 20:00 and the address."""
        return "2000" + self.mac(port.machine, port.nic).replace(":", "")

    def wwnn(self, port: Port) -> str:
        return "1000" + self.mac(port.machine, port.nic).replace(":", "")

    def machine_id(self, machine: str) -> str:
        return self._digest("machine-id", machine)[:32]

    def initiator_name(self, machine: str) -> str:
        return f"iqn.2025-01.test.sanlab:{self.key}.{machine}"

    @property
    def target_iqn(self) -> str:
        return f"iqn.2025-01.test.sanlab:{self.key}.target"

    def port_of_wwpn(self, wwpn: str) -> str:
        """The port's name, or the WWPN itself where it is nobody's here."""
        return next((port.name for port in all_ports() if self.wwpn(port) == wwpn), wwpn)

    def default_zones(self, fabric: str, second_target: bool = False) -> dict[str, list[str]]:
        """One zone per host: the host's port and the array's target in this fabric, its second one only if asked."""
        targets = [port for port in ARRAY.ports if port.fabric == fabric and (second_target or port.nic == fabric)]
        return {
            f"{host.name}_{fabric}": [f"{host.name}:{fabric}", *(target.name for target in targets)] for host in HOSTS
        }
