# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules that are killed on the way, and what a second run makes of it.

`sitecustomize.py` is what kills: Python imports it into the module's process, without a word of it in what is
shipped. `on_host.py` runs modules on a machine of the lab and takes stock of it. `harness.py` is for the tests.
"""
