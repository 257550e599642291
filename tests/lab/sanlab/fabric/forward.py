"""Forwarding of FCoE frames between N_Ports: the way every block of data goes, so the work for each frame is small."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from sanlab.fabric import fc
from sanlab.fabric.fabric import Fabric

# Everything a decision depends on stands before the sequence number: MAC addresses, SOF, R_CTL, both FC ids, FC type.
# The same decision is therefore true for all frames that begin alike, and is made once.
KEY = 37
MAX_FLOWS = 8192


class Flow(NamedTuple):
    """What to do with frames that begin like this."""

    out: int
    macs: bytes
    action: str


FORWARD, INSPECT, LOCAL, UNKNOWN = "forward", "inspect", "local", "unknown"


class Forwarder:
    def __init__(self, fabric: Fabric) -> None:
        self._fabric = fabric
        self._flows: list[dict[bytes, Flow]] = [{} for _ in fabric.config.ports]

    def flow(self, port: int, head: bytes) -> Flow:
        """The decision for frames from this port whose first KEY bytes are these."""
        if self._fabric.stale:
            for flows in self._flows:
                flows.clear()
            self._fabric.stale = False
        known = self._flows[port]
        flow = known.get(head)
        if flow is None:
            if len(known) > MAX_FLOWS:
                known.clear()
            flow = known[head] = self._decide(port, head)
        return flow

    def _decide(self, port: int, head: bytes) -> Flow:
        fabric = self._fabric
        names = fabric.config.names
        d_id, s_id = int.from_bytes(head[fc.D_ID], "big"), int.from_bytes(head[fc.S_ID], "big")
        # FLOGI outside of FIP (no S_ID yet) is how libfc tries its luck when it believes that nobody speaks FIP.
        if head[0:6] != names.mac or not s_id:
            return Flow(-1, b"", "dropped_not_for_us")
        login = fabric.logins.by_fcid.get(s_id)
        if login is None or login.port != port or head[6:12] != login.mac:
            return Flow(-1, b"", UNKNOWN)
        if d_id >= fc.WELL_KNOWN:
            return Flow(-1, b"", LOCAL)
        other = fabric.logins.by_fcid.get(d_id)
        if other is None:
            return Flow(-1, b"", "dropped_no_such_port")
        if not fabric.state.zones.allowed(login.wwpn, other.wwpn):
            return Flow(-1, b"", "dropped_by_zoning")
        if head[fc.TYPE_AT] == fc.TYPE_FCP and fabric.state.faults.drops_fcp(
            *fabric.scopes(login), *fabric.scopes(other)
        ):
            return Flow(-1, b"", "dropped_fcp")
        # The new addresses: from the switch (libfc drops frames from anyone else), to the FC id's own MAC address.
        macs = other.mac + names.mac
        inspect = head[fc.TYPE_AT] == fc.TYPE_ELS and fabric.state.faults.inspects_plogi()
        return Flow(other.port, macs, INSPECT if inspect else FORWARD)


class Bridge:
    """A plain learning Ethernet switch for all that is not FCoE (iSCSI and NFS of a converged network)."""

    MAX_ADDRESSES = 4096

    def __init__(
        self, ports: int, send: Callable[[int, bytes | memoryview], None], usable: Callable[[int], bool]
    ) -> None:
        self._ports = range(ports)
        self._send = send
        self._usable = usable
        self._table: dict[bytes, int] = {}

    def receive(self, port: int, view: memoryview) -> None:
        header = bytes(view[:12])
        dst, src = header[:6], header[6:]
        if self._table.get(src) != port and not src[0] & 1:
            if len(self._table) >= self.MAX_ADDRESSES:
                self._table.clear()
            self._table[src] = port
        # Addresses 01-80-C2-00-00-0x belong to the link itself and are never forwarded (IEEE 802.1D 7.12.6).
        if dst[:5] == b"\x01\x80\xc2\0\0" and dst[5] < 16:
            return
        out = self._table.get(dst)
        if out is None:
            self._flood(port, view)
        elif out != port and self._usable(out):
            self._send(out, view)

    def _flood(self, port: int, view: memoryview) -> None:
        for out in self._ports:
            if out != port and self._usable(out):
                self._send(out, view)

    def forget(self, port: int) -> None:
        self._table = {mac: known for mac, known in self._table.items() if known != port}
