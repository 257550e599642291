"""Faults that can be switched on: what a fabric does to its hosts on a bad day."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from sanlab.fabric.names import looks_like_wwn, parse_port, parse_wwn

ALL = "all"
KINDS = ("flogi", "fdisc", "plogi")
FIRST_WINS, LAST_WINS = "first", "last"


def parse_scope(text: object) -> str:
    """What a fault applies to: a WWPN, a switch port (MACHINE:NIC), or everything."""
    if text is None or text == ALL:
        return ALL
    return parse_wwn(text) if looks_like_wwn(str(text)) else parse_port(str(text))


@dataclass
class RejectRule:
    """Turn down logins of these kinds; the next `left` of them, or all."""

    scope: str
    kinds: frozenset[str]
    left: int | None = None

    def to_json(self) -> dict[str, object]:
        return {"scope": self.scope, "kinds": sorted(self.kinds), "left": self.left}


@dataclass
class Faults:
    rejects: list[RejectRule] = field(default_factory=list)
    drop_fcp: set[str] = field(default_factory=set)
    ports_down: set[str] = field(default_factory=set)
    vport_limits: dict[str, int] = field(default_factory=dict)
    npiv: bool = True
    # Which login of a WWPN stays when it appears a second time. Switches keep the first one unless told otherwise.
    duplicate_wwpn: str = FIRST_WINS

    def set_reject(self, scope: str, kinds: Iterable[str], enabled: bool, count: int | None) -> None:
        wanted = frozenset(kinds)
        unknown = sorted(wanted - set(KINDS))
        if unknown or not wanted:
            raise ValueError(f"kinds: {', '.join(unknown) or 'none'}; there are {', '.join(KINDS)}")
        if count is not None and count < 1:
            raise ValueError(f"count {count}: at least one login has to be rejected")
        for rule in self.rejects:
            if rule.scope == scope:
                rule.kinds -= wanted
        self.rejects = [rule for rule in self.rejects if rule.kinds]
        if enabled:
            self.rejects.append(RejectRule(scope, wanted, count))

    def rejects_login(self, kind: str, *scopes: str) -> bool:
        """Whether a login of one of these scopes is to be turned down now; a counted rule is used up by asking."""
        for rule in self.rejects:
            if kind in rule.kinds and (rule.scope == ALL or rule.scope in scopes):
                if rule.left is not None:
                    rule.left -= 1
                    if not rule.left:
                        self.rejects.remove(rule)
                return True
        return False

    def inspects_plogi(self) -> bool:
        return any("plogi" in rule.kinds for rule in self.rejects)

    def drops_fcp(self, *scopes: str) -> bool:
        return bool(self.drop_fcp) and (ALL in self.drop_fcp or not self.drop_fcp.isdisjoint(scopes))

    def vport_limit(self, port: str) -> int | None:
        return self.vport_limits.get(port, self.vport_limits.get(ALL))

    def to_json(self) -> dict[str, object]:
        return {
            "rejects": [rule.to_json() for rule in self.rejects],
            "drop_fcp": sorted(self.drop_fcp),
            "ports_down": sorted(self.ports_down),
            "vport_limits": dict(sorted(self.vport_limits.items())),
            "npiv": self.npiv,
            "duplicate_wwpn": self.duplicate_wwpn,
        }

    @classmethod
    def from_json(cls, data: dict[str, object]) -> Faults:
        values = dict(data)
        rules = values.pop("rejects", [])
        assert isinstance(rules, list)
        faults = cls(
            rejects=[RejectRule(rule["scope"], frozenset(rule["kinds"]), rule["left"]) for rule in rules],
            drop_fcp=set(values.pop("drop_fcp", [])),  # type: ignore[call-overload]
            ports_down=set(values.pop("ports_down", [])),  # type: ignore[call-overload]
        )
        for key, value in values.items():
            if not hasattr(faults, key):
                raise ValueError(f"unknown fault {key}")
            setattr(faults, key, value)
        return faults
