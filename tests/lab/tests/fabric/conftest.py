"""A switch without sockets, and hosts that speak to it as libfc does. The frames of the hosts are put together here by
hand, so that a mistake in the switch's own codec does not cancel out."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from sanlab.fabric.admin import Admin
from sanlab.fabric.fabric import Config
from sanlab.fabric.names import FabricNames
from sanlab.fabric.state import State
from sanlab.fabric.switch import Switch

PORTS = ("kvm1:a", "kvm2:a", "array:a")


def hexed(*parts: str) -> bytes:
    return bytes.fromhex("".join(parts).replace(" ", ""))


def fc_header(r_ctl: int, d_id: int, s_id: int, fc_type: int, ox_id: int = 0x11, f_ctl: int = 0x290000) -> bytes:
    return hexed(f"{r_ctl:02x}{d_id:06x}00{s_id:06x}{fc_type:02x}{f_ctl:06x}0000 0000{ox_id:04x}ffff 00000000")


def fcoe(dst: bytes, src: bytes, frame: bytes) -> bytes:
    crc = zlib.crc32(frame).to_bytes(4, "little")
    return dst + src + hexed("8906", "00" * 13, "2e") + frame + crc + hexed("42 000000")


@dataclass
class Received:
    """A frame the switch sent, cut at the fixed offsets."""

    raw: bytes

    @property
    def fip(self) -> bool:
        return self.raw[12:14] == hexed("8914")

    @property
    def kind(self) -> tuple[int, int]:
        return int.from_bytes(self.raw[16:18], "big"), self.raw[19]

    @property
    def header(self) -> bytes:
        return self.raw[28:52]

    @property
    def payload(self) -> bytes:
        return self.raw[52:-8]

    @property
    def login_payload(self) -> bytes:
        """Of a FIP link service reply: descriptor at 24, FC header at 28, payload behind it."""
        return self.raw[52 : 24 + self.raw[25] * 4]


@dataclass
class World:
    switch: Switch
    sent: list[tuple[int, bytes]]
    log: list[str]
    admin: Admin = field(init=False)
    now: float = 100.0

    def __post_init__(self) -> None:
        self.stopped = False
        self.admin = Admin(self.switch.fabric, lambda index: {}, lambda: setattr(self, "stopped", True))
        self.switch.tick(self.now)
        for port in range(len(PORTS)):
            self.switch.set_link(port, True)
        self.take()

    def take(self, port: int | None = None) -> list[Received]:
        """The frames sent since the last look, of one port or of all."""
        found = [Received(data) for out, data in self.sent if port in (None, out)]
        self.sent[:] = [] if port is None else [item for item in self.sent if item[0] != port]
        return found

    def give(self, port: int, data: bytes) -> None:
        buffer = bytearray(data.ljust(4096, b"\xaa"))
        self.switch.receive(port, buffer, len(data))
        self.switch.finish()

    def wait(self, seconds: float) -> None:
        while seconds > 0:
            step = min(seconds, 0.5)
            self.now += step
            seconds -= step
            self.switch.tick(self.now)

    def command(self, cmd: str, **arguments: object) -> dict[str, object]:
        answer = self.admin.handle({"cmd": cmd, **arguments})
        assert answer.pop("ok"), answer
        return answer

    def refused(self, cmd: str, **arguments: object) -> str:
        answer = self.admin.handle({"cmd": cmd, **arguments})
        assert not answer["ok"]
        return str(answer["error"])


class Host:
    """One network card with an N_Port, and virtual ports on it."""

    def __init__(self, world: World, port: int, wwpn: str, target: bool = False) -> None:
        self.world, self.port, self.wwpn, self.target = world, port, wwpn, target
        self.enode = hexed(f"52540000000{port}")
        self.wwnn = "10" + wwpn[2:]
        self.fcid = 0

    @property
    def fcf(self) -> bytes:
        return self.world.switch.fabric.config.names.mac

    @property
    def mac(self) -> bytes:
        return hexed(f"0efc00{self.fcid:06x}")

    def fip(self, op: int, sub: int, descriptors: bytes, src: bytes | None = None) -> list[Received]:
        words = len(descriptors) // 4
        self.world.give(
            self.port,
            self.fcf + (src or self.enode) + hexed(f"8914 1000{op:04x}00{sub:02x}{words:04x}8000") + descriptors,
        )
        return self.world.take(self.port)

    def login_payload(self, opcode: int, wwpn: str) -> bytes:
        text = f"{opcode:02x}000000 2020000a 00000840 00000000 000007d0 {wwpn} {self.wwnn}"
        return hexed(text.replace(" ", "")).ljust(116, b"\0")

    def ask_login(self, npiv: bool = False, wwpn: str | None = None) -> Received:
        opcode, kind = (0x51, 8) if npiv else (4, 7)
        frame = fc_header(0x22, 0xFFFFFE, 0, 1) + self.login_payload(opcode, wwpn or self.wwpn)
        descriptor = bytes((kind, (len(frame) + 4) // 4, 0, 0)) + frame + hexed("0202", "00" * 6)
        answers = [item for item in self.fip(2, 1, descriptor) if item.fip and item.kind == (2, 2)]
        assert len(answers) == 1
        return answers[0]

    def log_in(self, npiv: bool = False) -> Host:
        answer = self.ask_login(npiv)
        assert answer.login_payload[0] == 2, answer.login_payload[:8].hex()
        self.fcid = int.from_bytes(answer.raw[29:32], "big")
        return self

    def vport(self, wwpn: str) -> Host:
        vport = Host(self.world, self.port, wwpn)
        vport.enode = self.enode
        return vport.log_in(npiv=True)

    def send(self, d_id: int, payload: bytes, r_ctl: int = 0x22, fc_type: int = 1, ox_id: int = 0x11) -> list[Received]:
        frame = fc_header(r_ctl, d_id, self.fcid, fc_type, ox_id) + payload
        self.world.give(self.port, fcoe(self.fcf, self.mac, frame))
        return self.world.take(self.port)

    def ct(self, command: int, body: bytes) -> bytes:
        """Ask the name server; return the payload of its answer, of however many frames."""
        request = hexed(f"01000000 fc020000 {command:04x}0000 00000000") + body
        answers = self.send(0xFFFFFC, request, r_ctl=2, fc_type=0x20)
        return b"".join(item.payload for item in answers if item.header[0] == 3)

    def take_notice(self) -> None:
        """Answer the state changes that came in."""
        for item in self.world.take(self.port):
            if not item.fip and item.payload[:1] == b"\x61":
                ox_id = int.from_bytes(item.header[16:18], "big")
                self.send(0xFFFFFD, hexed("02000000"), r_ctl=0x23, ox_id=ox_id)

    @property
    def own_id(self) -> bytes:
        return self.fcid.to_bytes(4, "big")

    def register(self) -> Host:
        """The steps of libfc after the FLOGI."""
        accepted = hexed("8002")
        self.send(0xFFFFFC, self.login_payload(3, self.wwpn))
        assert self.ct(0x0213, self.own_id + bytes.fromhex(self.wwnn))[8:10] == accepted
        assert self.ct(0x0218, self.own_id + b"\x04fcoe")[8:10] == accepted
        assert self.ct(0x0217, self.own_id + hexed("00000120").ljust(32, b"\0"))[8:10] == accepted
        assert self.ct(0x021F, self.own_id + bytes((0, 0, 1 if self.target else 2, 8)))[8:10] == accepted
        assert self.send(0xFFFFFD, hexed("62000000 00000003"))[0].payload == hexed("02000000")
        return self


@pytest.fixture
def make_world() -> Callable[..., World]:
    def make(state: State | None = None, **options: int) -> World:
        sent: list[tuple[int, bytes]] = []
        log: list[str] = []
        config = Config(FabricNames("a"), PORTS, **options)
        switch = Switch(config, state or State(), lambda port, data: sent.append((port, bytes(data))), log.append)
        return World(switch, sent, log)

    return make


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    return make_world()


@pytest.fixture
def make_host() -> type[Host]:
    return Host


@dataclass
class Pair:
    """An initiator and a target, zoned together and registered."""

    world: World
    initiator: Host
    target: Host

    @property
    def members(self) -> list[str]:
        return [self.initiator.wwpn, self.target.wwpn]


@pytest.fixture
def pair(world: World) -> Pair:
    initiator = Host(world, 0, "2000525400fc0001").log_in().register()
    target = Host(world, 2, "2000525400fc0009", target=True).log_in().register()
    world.command("zone_set", name="z", members=[initiator.wwpn, target.wwpn])
    for host in (initiator, target):
        host.take_notice()
    world.take()
    return Pair(world, initiator, target)
