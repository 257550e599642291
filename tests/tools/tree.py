# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Put this checkout where Ansible looks for collections: ROOT/ansible_collections/virt/san.

    tree.py links ROOT   links to the top-level entries: always what the checkout holds now.
                         For playbooks, pytest and mypy.
    tree.py copy ROOT    a copy of the files, in an empty git repository of its own, for
                         ansible-test: it follows no links, and takes the files of a directory
                         that the surrounding repository ignores for none at all.

Both hold what git would see: tracked files, and new ones that are not ignored.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]

# The lab and the benchmark are programs beside the collection. They have linters and tests of
# their own, and are no part of what ansible-test judges.
NOT_IN_COPY = ("tests/lab/", "tests/bench/")


def checkout_files() -> list[str]:
    listed = subprocess.run(
        ["git", "-C", str(CHECKOUT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        check=True,
        stdout=subprocess.PIPE,
    ).stdout.decode()
    names = {name for name in listed.split("\0") if name}
    return sorted(name for name in names if os.path.lexists(CHECKOUT / name))


def make_links(tree: Path) -> None:
    wanted = {name.split("/", 1)[0] for name in checkout_files()}
    tree.mkdir(parents=True, exist_ok=True)
    for entry in tree.iterdir():
        if not entry.is_symlink():
            raise SystemExit(f"{entry} is not a link made by this program; remove it")
        if entry.name not in wanted:
            entry.unlink()
    for name in sorted(wanted):
        link, target = tree / name, os.path.relpath(CHECKOUT / name, tree.resolve())
        if link.is_symlink() and str(link.readlink()) == target:
            continue
        # Another run may make the same link at this moment: replace it in one step.
        fresh = tree.parent / f".{name}.{os.getpid()}"
        fresh.symlink_to(target)
        fresh.replace(link)


def make_copy(tree: Path) -> None:
    wanted = {name for name in checkout_files() if not name.startswith(NOT_IN_COPY)}
    tree.mkdir(parents=True, exist_ok=True)
    if not (tree / ".git").exists():
        subprocess.run(["git", "init", "--quiet", str(tree)], check=True)
    for name in wanted:
        source, target = CHECKOUT / name, tree / name
        target.parent.mkdir(parents=True, exist_ok=True)
        # The old file is removed, not written through: a link would lead out of the copy.
        target.unlink(missing_ok=True)
        shutil.copy2(source, target, follow_symlinks=False)
    keep = {tree / ".git", tree / "tests" / "output"}
    for folder, _subfolders, files in os.walk(tree, topdown=False):
        here = Path(folder)
        if any(here == kept or kept in here.parents for kept in keep):
            continue
        for name in files:
            if str((here / name).relative_to(tree)) not in wanted:
                (here / name).unlink()
        if here != tree and not any(here.iterdir()):
            here.rmdir()


def main() -> int:
    makers = {"links": make_links, "copy": make_copy}
    if len(sys.argv) != 3 or sys.argv[1] not in makers:
        print(__doc__, file=sys.stderr)
        return 2
    makers[sys.argv[1]](Path(sys.argv[2]) / "ansible_collections" / "virt" / "san")
    return 0


if __name__ == "__main__":
    sys.exit(main())
