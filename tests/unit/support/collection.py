# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the collection lies, and what it consists of."""

from __future__ import annotations

from pathlib import Path

# This file is imported as a part of the collection, so that it lies in a tree where Ansible finds it too.
ROOT = Path(__file__).absolute().parents[3]
COLLECTIONS_PATH = ROOT.parents[2]
PLUGINS = ROOT / "plugins"
MODULES = {path.stem: path for path in sorted((PLUGINS / "modules").glob("*.py"))}
