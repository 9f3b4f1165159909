"""Writes packages/core/src/media/fixtures/frame-indices.json with NumPy: `pip install numpy`, then run this file.

One row per (total, count): the indices that linspace(0, total - 1, count, dtype=int) picks.
"""

import json
import pathlib

import numpy

rows = []
for count in (1, 2, 7, 32):
    for total in [*range(1, 100), 250, 321, 1000, 12345]:
        rows.append([total, count, numpy.linspace(0, total - 1, count, dtype=int).tolist()])
out = pathlib.Path(__file__).parents[2] / "packages/core/src/media/fixtures/frame-indices.json"
out.write_text("[\n" + ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows) + "\n]\n")
print(len(rows), "rows, numpy", numpy.__version__)
