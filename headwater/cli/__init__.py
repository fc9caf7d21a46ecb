"""The `headwater` command."""

def main() -> None:
    raise SystemExit(2)
