"""Builds machine images and keeps them in a cache, by the hash of their recipe."""

from __future__ import annotations

import contextlib
import fcntl
import glob
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .errors import LabError
from .initrd import build_initrd, kernel_version
from .kernel import unpack_kernel, unpack_modules
from .recipe import Recipe, recipe_for

_LAB_DIR = Path(__file__).resolve().parents[1]

# The mounts and processes of a build live in namespaces of their own: a build that is killed leaves neither.
_NAMESPACE = ("unshare", "--mount", "--pid", "--fork", "--kill-child")


@dataclass(frozen=True)
class Image:
    """The files of one built image."""

    directory: Path

    @property
    def disk(self) -> Path:
        return self.directory / "root.raw"

    @property
    def kernel(self) -> Path:
        return self.directory / "kernel"

    @property
    def initrd(self) -> Path:
        return self.directory / "initrd"

    @property
    def built(self) -> bool:
        return self.disk.exists() and self.kernel.exists() and self.initrd.exists()


def cache_dir() -> Path:
    """Where images are kept; VIRT_SAN_CACHE moves it."""
    override = os.environ.get("VIRT_SAN_CACHE")
    return Path(override) if override else Path.home() / ".cache" / "virt-san"


def image_for(release: str) -> Image:
    """The image of a release, built or not."""
    return Image(cache_dir() / "images" / recipe_for(release).key())


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def ensure_image(release: str, log: Path) -> Image:
    """Build the image unless it is in the cache; a build of the same image elsewhere is waited for."""
    image = image_for(release)
    with _locked(image.directory.with_suffix(".lock")):
        if image.built:
            return image
        _remove_debris(image.directory)
        work = Path(tempfile.mkdtemp(prefix=f".build-{image.directory.name[:16]}-", dir=image.directory.parent))
        try:
            _run_as_root(release, work, log)
            (work / "out").rename(image.directory)
        finally:
            _remove_tree(work)
    return image


def _remove_debris(directory: Path) -> None:
    """What an interrupted build of this image left; the lock is held, so nobody is working there."""
    for path in directory.parent.glob(f".build-{directory.name[:16]}-*"):
        _remove_tree(path)
    if directory.exists():
        _remove_tree(directory)


def _remove_tree(path: Path) -> None:
    subprocess.run([*_sudo(), "rm", "-rf", "--one-file-system", str(path)], check=False)


def _sudo() -> list[str]:
    return [] if os.geteuid() == 0 else ["sudo"]


def _run_as_root(release: str, work: Path, log: Path) -> None:
    """debootstrap needs root: the build runs as a program of its own, by sudo where needed."""
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [*_sudo(), "env", f"PYTHONPATH={_LAB_DIR}", sys.executable, "-m", "sanlab.image"]
    command += [release, str(work), str(os.getuid()), str(os.getgid())]
    with log.open("wb") as output:
        result = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, check=False)
    if result.returncode != 0:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        raise LabError(f"building the {release} image failed (exit {result.returncode}); end of {log}:\n{tail}")


def build(recipe: Recipe, work: Path) -> None:
    """Make disk, kernel and initrd in work/out. Runs as root."""
    root, out = work / "root", work / "out"
    out.mkdir()
    _debootstrap(recipe, root)
    _write_files(root, recipe.files_before)
    _in_chroot(root, _install_script(recipe))
    _write_files(root, recipe.files)
    _in_chroot(root, _units_script(recipe))
    for pattern in recipe.removed:
        for path in glob.glob(f"{root}{pattern}"):
            shutil.rmtree(path) if os.path.isdir(path) and not os.path.islink(path) else os.unlink(path)
    version = kernel_version(root)
    unpack_modules(root, version)
    (out / "kernel").write_bytes(unpack_kernel(root, version))
    (out / "initrd").write_bytes(build_initrd(root, recipe))
    _make_disk(root, out / "root.raw", recipe.disk_gib)


def _debootstrap(recipe: Recipe, root: Path) -> None:
    command = [*_NAMESPACE, "debootstrap", "--variant=minbase", "--include=ca-certificates", recipe.release, str(root)]
    subprocess.run(command, check=True)


def _write_files(root: Path, files: dict[str, str]) -> None:
    for name, content in files.items():
        path = root / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        path.chmod(0o755 if content.startswith("#!") else 0o644)


def _in_chroot(root: Path, script: str) -> None:
    environment = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "DEBIAN_FRONTEND": "noninteractive",
        "LC_ALL": "C.UTF-8",
        "HOME": "/root",
        "INITRD": "No",  # heard by the hooks of kernel packages
        **{name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")},
    }
    command = [*_NAMESPACE, f"--mount-proc={root}/proc", "chroot", str(root), "sh", "-eux", "-c", script]
    subprocess.run(command, env=environment, check=True)


def _install_script(recipe: Recipe) -> str:
    # The keep-old answers are for the configuration files that the recipe wrote before the packages came.
    keep = "-o Dpkg::Options::=--force-confold -o Dpkg::Options::=--force-confdef"
    return f"apt-get update\napt-get install -y {keep} {' '.join(recipe.packages)}\napt-get clean\n"


def _units_script(recipe: Recipe) -> str:
    """Disable and mask what the recipe says; a unit that a release lacks is passed over."""
    lines = ["systemctl enable serial-getty@ttyS0.service ssh.service"]
    lines += [f"systemctl disable {unit} || true" for unit in recipe.disabled]
    lines += [f"systemctl mask {unit}" for unit in recipe.masked]
    return "\n".join(lines)


def _make_disk(root: Path, disk: Path, gib: int) -> None:
    with disk.open("wb") as file:
        file.truncate(gib << 30)
    options = "lazy_itable_init=1,lazy_journal_init=1,root_owner=0:0"
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-m", "0", "-E", options, "-d", str(root), str(disk)], check=True)


def _main(arguments: list[str]) -> None:
    release, work, uid, gid = arguments
    build(recipe_for(release), Path(work))
    for path in [Path(work) / "out", *(Path(work) / "out").iterdir()]:
        os.chown(path, int(uid), int(gid))


if __name__ == "__main__":
    _main(sys.argv[1:])
