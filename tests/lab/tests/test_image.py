"""Recipes, the initrd and the kernel's packing: everything of an image that needs no root."""

from __future__ import annotations

import dataclasses
import lzma
import struct
import subprocess
from pathlib import Path

import pytest
from sanlab import image, initrd, kernel
from sanlab.errors import LabError
from sanlab.recipe import RELEASES, recipe_for


def test_the_key_follows_the_recipe():
    recipe = recipe_for("bookworm")
    assert recipe.key() == recipe_for("bookworm").key()
    for change in ({"packages": (*recipe.packages, "x")}, {"files": {}}, {"initrd_script": ""}, {"version": 0}):
        assert dataclasses.replace(recipe, **change).key() != recipe.key()


def test_releases_have_recipes_of_their_own():
    assert len({recipe_for(release).key() for release in RELEASES}) == len(RELEASES)


def test_nothing_in_a_recipe_tells_where_it_was_made():
    text = repr(dataclasses.asdict(recipe_for("trixie")))
    assert str(Path.home()) + "/" not in text.replace("/root/", "")
    assert "http" not in text


@pytest.mark.parametrize("release", RELEASES)
def test_the_initrd_script_is_a_shell_script(release: str):
    subprocess.run(["sh", "-n"], input=recipe_for(release).initrd_script.encode(), check=True)


@pytest.mark.parametrize("script", ["fc-ports"])
def test_the_guest_scripts_are_shell_scripts(script: str):
    subprocess.run(["sh", "-n", str(Path(__file__).parents[1] / "guest" / script)], check=True)


def test_modules_load_after_what_they_need():
    text = (
        "kernel/fs/ext4.ko: kernel/lib/crc16.ko kernel/fs/jbd2.ko\n"
        "kernel/fs/jbd2.ko:\nkernel/lib/crc16.ko:\n"
        "kernel/virtio-blk.ko: kernel/virtio.ko\nkernel/virtio.ko:\n"
    )
    order = initrd.load_order(text, ("virtio_blk", "not_there", "ext4"))
    assert order == [
        "kernel/virtio.ko",
        "kernel/virtio-blk.ko",
        "kernel/lib/crc16.ko",
        "kernel/fs/jbd2.ko",
        "kernel/fs/ext4.ko",
    ]


def _unpack(archive: bytes) -> dict[str, bytes]:
    found, at = {}, 0
    while True:
        assert archive[at : at + 6] == b"070701"
        fields = [int(archive[at + 6 + 8 * n : at + 14 + 8 * n], 16) for n in range(13)]
        size, name_size = fields[6], fields[11]
        name = archive[at + 110 : at + 110 + name_size - 1].decode()
        at = -(-(at + 110 + name_size) // 4) * 4
        if name == "TRAILER!!!":
            return found
        found[name] = archive[at : at + size]
        at = -(-(at + size) // 4) * 4


def test_the_archive_holds_what_was_put_in():
    files = {
        "init": (0o100755, b"#!x"),
        "empty": (0o100644, b""),
        "bin": (0o040755, b""),
        "long/name": (0o100644, b"12345"),
    }
    assert _unpack(initrd.cpio(files)) == {name: content for name, (_, content) in files.items()}


def _bzimage(packed: bytes, sectors: int = 4) -> bytes:
    start = (sectors + 1) * 512
    head = bytearray(start)
    head[0x1F1] = sectors
    struct.pack_into("<II", head, 0x248, 16, len(packed))
    return bytes(head) + b"\0" * 16 + packed + b"tail"


def test_a_kernel_is_unpacked(tmp_path: Path):
    (tmp_path / "boot").mkdir()
    packed = lzma.compress(b"\x7fELF kernel", check=lzma.CHECK_CRC32) + struct.pack("<I", 11)
    (tmp_path / "boot/vmlinuz-6").write_bytes(_bzimage(packed))
    assert kernel.unpack_kernel(tmp_path, "6") == b"\x7fELF kernel"


def test_a_kernel_in_an_unknown_packing_stays_as_it_is(tmp_path: Path):
    (tmp_path / "boot").mkdir()
    (tmp_path / "boot/vmlinuz-6").write_bytes(_bzimage(b"LZ4?data"))
    assert kernel.unpack_kernel(tmp_path, "6") == _bzimage(b"LZ4?data")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VIRT_SAN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def _fake_build(release: str, work: Path, _log: Path) -> None:
    (work / "out").mkdir()
    for name in ("root.raw", "kernel", "initrd"):
        (work / "out" / name).write_text(release)


def test_an_image_is_built_once(cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    built = []
    monkeypatch.setattr(image, "_run_as_root", lambda *given: (built.append(given[0]), _fake_build(*given)))
    assert image.ensure_image("trixie", tmp_path / "log").built
    assert image.ensure_image("trixie", tmp_path / "log").built
    assert built == ["trixie"]
    assert not list(cache.glob("images/.build-*"))


def test_debris_of_an_interrupted_build_is_removed(cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    key = recipe_for("trixie").key()
    left, half = cache / "images" / f".build-{key[:16]}-old", cache / "images" / key
    for directory in (left, half):
        directory.mkdir(parents=True)
        (directory / "root.raw").write_text("half")
    monkeypatch.setattr(image, "_run_as_root", _fake_build)
    assert image.ensure_image("trixie", tmp_path / "log").disk.read_text() == "trixie"
    assert not left.exists()


def test_a_failed_build_leaves_nothing_and_tells_why(cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(image.sys, "executable", "/bin/false")
    with pytest.raises(LabError, match="building the trixie image failed"):
        image.ensure_image("trixie", tmp_path / "log")
    assert [path.suffix for path in (cache / "images").iterdir()] == [".lock"]
