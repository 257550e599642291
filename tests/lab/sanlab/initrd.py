"""A small initrd: busybox, the few modules that reach the root disk, and our script.

Debian's own starts udev and looks for LVM, RAID and a resume device; under software emulation that is seconds of every
boot.
"""

from __future__ import annotations

from pathlib import Path

from .recipe import Recipe

_TRAILER = "TRAILER!!!"


def cpio(files: dict[str, tuple[int, bytes]]) -> bytes:
    """A "newc" archive of files given as path -> (mode, content)."""
    out = bytearray()
    for number, (name, (mode, content)) in enumerate([*files.items(), (_TRAILER, (0, b""))], start=1):
        encoded = name.encode() + b"\0"
        fields = (number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(encoded), 0)
        out += b"070701" + b"".join(b"%08X" % field for field in fields) + encoded
        out += b"\0" * (-len(out) % 4)
        out += content
        out += b"\0" * (-len(out) % 4)
    return bytes(out)


def load_order(modules_dep: str, wanted: tuple[str, ...]) -> list[str]:
    """Paths of the wanted modules and of what they need, in the order of loading; built-in ones are left out."""
    needs: dict[str, list[str]] = {}
    path_of: dict[str, str] = {}
    for line in modules_dep.splitlines():
        path, _, rest = line.partition(":")
        needs[path] = rest.split()
        path_of[path.rsplit("/", 1)[-1].split(".ko")[0].replace("-", "_")] = path
    order: list[str] = []

    def add(path: str) -> None:
        if path in order:
            return
        for need in needs[path]:
            add(need)
        order.append(path)

    for name in wanted:
        if name in path_of:
            add(path_of[name])
    return order


def kernel_version(root: Path) -> str:
    """The one kernel of an image."""
    versions = sorted(path.name for path in (root / "usr/lib/modules").iterdir())
    if len(versions) != 1:
        raise RuntimeError(f"expected one kernel in the image, found {versions or 'none'}")
    return versions[0]


def build_initrd(root: Path, recipe: Recipe) -> bytes:
    """The initrd for the kernel installed under root."""
    tree = root / "usr/lib/modules" / kernel_version(root)
    order = load_order((tree / "modules.dep").read_text(), recipe.initrd_modules)
    names = [path.rsplit("/", 1)[-1] for path in order]
    files: dict[str, tuple[int, bytes]] = {
        "bin": (0o040755, b""),
        "dev": (0o040755, b""),
        "modules": (0o040755, b""),
        "bin/busybox": (0o100755, (root / "usr/bin/busybox").read_bytes()),
        "init": (0o100755, recipe.initrd_script.encode()),
        "modules/order": (0o100644, "\n".join(names).encode()),
    }
    for name, path in zip(names, order, strict=True):
        files[f"modules/{name}"] = (0o100644, (tree / path).read_bytes())
    return cpio(files)  # not compressed: unpacking takes longer than reading
