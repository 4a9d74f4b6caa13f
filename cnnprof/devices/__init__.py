"""Where networks run. A new device is one file and one line in ``DEVICES``."""

from __future__ import annotations

DEVICES = {
    "cpu": "cnnprof.devices.cpu",
    "cuda": "cnnprof.devices.cuda",
    "fake": "cnnprof.devices.fake",
}
"""Name to module. Each has ``missing()``, asked before anything starts, and ``subject(network, request)``."""
