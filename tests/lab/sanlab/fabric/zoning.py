"""Zoning: which ports may see each other. Nothing may, until a zone says so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sanlab.fabric.names import parse_wwn

Peers = dict[str, frozenset[str]]


def _peers(zones: Mapping[str, frozenset[str]]) -> Peers:
    found: dict[str, set[str]] = {}
    for members in zones.values():
        for wwpn in members:
            found.setdefault(wwpn, set()).update(members)
    return {wwpn: frozenset(others - {wwpn}) for wwpn, others in found.items()}


class ZoneSet:
    """Named zones of WWPNs, all of them active: default deny, as switches come from the factory (FC-GS, FC-SW)."""

    def __init__(self, zones: Mapping[str, Iterable[str]] | None = None) -> None:
        self.zones: dict[str, frozenset[str]] = {}
        for name, members in (zones or {}).items():
            self.zones[name] = frozenset(parse_wwn(wwpn) for wwpn in members)
        self._peers = _peers(self.zones)

    def allowed(self, one: str, other: str) -> bool:
        return other in self._peers.get(one, frozenset())

    def replace(self, name: str, members: Iterable[str]) -> dict[str, frozenset[str]]:
        """Create or change a zone; return whom it concerns (see :meth:`_swap`)."""
        if not name.strip():
            raise ValueError("a zone needs a name")
        wwpns = frozenset(parse_wwn(wwpn) for wwpn in members)
        if not wwpns:
            raise ValueError(f"zone {name}: it needs at least one member")
        return self._swap({**self.zones, name: wwpns})

    def delete(self, name: str) -> dict[str, frozenset[str]]:
        if name not in self.zones:
            known = ", ".join(sorted(self.zones)) or "none"
            raise ValueError(f"there is no zone {name}; zones: {known}")
        return self._swap({key: members for key, members in self.zones.items() if key != name})

    def clear(self) -> dict[str, frozenset[str]]:
        return self._swap({})

    def _swap(self, zones: dict[str, frozenset[str]]) -> dict[str, frozenset[str]]:
        """Make these the zones. Return, for every WWPN, the peers it newly sees or sees no more."""
        before, after = self._peers, _peers(zones)
        self.zones, self._peers = zones, after
        none: frozenset[str] = frozenset()
        changes = {wwpn: before.get(wwpn, none) ^ after.get(wwpn, none) for wwpn in before.keys() | after.keys()}
        return {wwpn: peers for wwpn, peers in changes.items() if peers}

    def to_json(self) -> dict[str, list[str]]:
        return {name: sorted(members) for name, members in sorted(self.zones.items())}
