"""Draws how many rows a second each tool moved.

python -m benchmarks.picture RESULTS_JSON SVG     run by an interpreter that has matplotlib
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

# The measurements one after the other that a bar is made of, and its label.
BARS = {
    ("loop", "insert"): "the floor: generator + DuckDB INSERT",
    ("rows",): "headwater",
    ("eight_threads",): "headwater, eight threads",
    ("checkpoint_1000",): "headwater, checkpoint every 1,000",
    ("dlt_pages",): "dlt, pages of dicts as Parquet",
    ("singer",): "singer-sdk tap into target-duckdb",
    ("mit_sdk",): "Fivetran's SDK 2.13.1, stream only",
    ("dlt_rows",): "dlt, its defaults",
}


def rates(samples: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, float]:
    """Give rows a second by label, the fastest first, of the bars whose measurements are all there.

    >>> took = {"loop": 1, "insert": 4, "rows": 20, "singer": 10}
    >>> rates({name: [{"rows": 10, "seconds": seconds}] for name, seconds in took.items()})
    {'the floor: generator + DuckDB INSERT': 2.0, 'singer-sdk tap into target-duckdb': 1.0, 'headwater': 0.5}
    """
    cost = {name: median(sample["seconds"] / sample["rows"] for sample in each) for name, each in samples.items()}
    by_label = {
        label: 1 / sum(cost[name] for name in names)
        for names, label in BARS.items()
        if all(name in cost for name in names)
    }
    return dict(sorted(by_label.items(), key=lambda bar: bar[1], reverse=True))


def draw(by_label: Mapping[str, float], svg: Path) -> None:
    import matplotlib  # type: ignore[import-not-found,unused-ignore]  # only in .venvs/bench_picture

    matplotlib.use("svg")
    matplotlib.rcParams["svg.fonttype"] = "none"
    # Else equal numbers would give another file every time.
    matplotlib.rcParams["svg.hashsalt"] = "headwater"
    from matplotlib import pyplot  # type: ignore[import-not-found,unused-ignore]  # only there

    labels = list(by_label)[::-1]
    figure, axes = pyplot.subplots(figsize=(9, 0.5 * len(labels) + 0.8), layout="constrained")
    colours = ["#1f6f8b" if label.startswith("headwater") else "#b0b7bd" for label in labels]
    bars = axes.barh(labels, [by_label[label] for label in labels], color=colours)
    axes.bar_label(bars, labels=[f"{by_label[label]:,.0f}" for label in labels], padding=4)
    axes.set_xlabel("rows a second (ten columns, merged by primary key into a DuckDB file)")
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.margins(x=0.12)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(svg, metadata={"Date": None})


if __name__ == "__main__":
    match sys.argv[1:]:
        case [results, svg]:
            draw(rates(json.loads(Path(results).read_text(encoding="utf-8"))["samples"]), Path(svg))
        case _:
            sys.exit(__doc__)
