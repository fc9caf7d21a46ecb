"""The peers, each run by an interpreter of its own that has the peer and not headwater."""
