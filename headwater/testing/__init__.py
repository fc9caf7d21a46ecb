"""For tests of connectors: a server that plays recorded answers of an HTTP API.

from headwater.testing import ReplayServer
"""

from headwater.testing.replay import Received, ReplayServer

__all__ = ["Received", "ReplayServer"]
