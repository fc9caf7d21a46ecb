"""`target-headwater`: what a Singer tap writes, loaded into headwater's destinations."""
