# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How generated tests are run.

The same examples each time, so that a change never turns red by what it did not touch. `make test-full`
looks for new ones. No deadlines: a busy machine is no defect.
"""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.register_profile("exploring", deadline=None, max_examples=1000, print_blob=True)
settings.load_profile("exploring" if os.environ.get("SAN_EXPLORE") else "repeatable")
