"""For tests of connectors: a run into memory, and servers that record the answers of an HTTP API and play them.

from headwater.testing import RecordingServer, ReplayServer, run_connector
"""

from headwater.destinations.memory import MemoryDestination
from headwater.testing.recorder import RecordingServer
from headwater.testing.replay import Received, ReplayServer
from headwater.testing.run import Run, run_connector

__all__ = ["MemoryDestination", "Received", "RecordingServer", "ReplayServer", "Run", "run_connector"]
