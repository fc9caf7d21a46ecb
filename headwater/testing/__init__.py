"""For tests of connectors: a run into memory, and a server that plays recorded answers of an HTTP API.

from headwater.testing import ReplayServer, run_connector
"""

from headwater.testing.replay import Received, ReplayServer
from headwater.testing.run import Run, run_connector

__all__ = ["Received", "ReplayServer", "Run", "run_connector"]
