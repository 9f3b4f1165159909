"""Writes packages/core/src/media/fixtures/smart-resize.json: sizes and what the published rules make of them.

Rows: [height, width, size after one resize, size after both resizes of the reference pipeline]; null = refused.

Plain Python, no package: `python3 tools/golden/smart-resize.py`.
"""

import json
import math
import pathlib
import random

FACTOR = 28


def rule(height, width, low, high):
    """The rule of qwen-vl-utils, written down from its description."""
    if max(height, width) / min(height, width) > 200:
        return None
    h, w = (max(FACTOR, round(side / FACTOR) * FACTOR) for side in (height, width))
    if h * w > high:
        beta = math.sqrt((height * width) / high)
        h, w = (max(FACTOR, math.floor(side / beta / FACTOR) * FACTOR) for side in (height, width))
    elif h * w < low:
        beta = math.sqrt(low / (height * width))
        h, w = (math.ceil(side * beta / FACTOR) * FACTOR for side in (height, width))
    return h, w


def sizes():
    rng = random.Random(2505)
    ties = [28 * k + 14 for k in range(60)]
    for i, tie in enumerate(ties):
        yield tie, ties[-1 - i]
        yield tie, rng.choice([28 * rng.randint(1, 40), rng.randint(14, 1200)])
    for _ in range(1400):
        yield rng.randint(14, 1200), rng.randint(14, 1200)
    for _ in range(400):
        yield rng.randint(600, 9000), rng.randint(600, 9000)
    for _ in range(200):
        height = rng.randint(1, 40)
        width = rng.randint(height, height * 200)
        yield (height, width) if rng.random() < 0.5 else (width, height)


def main():
    rows = []
    for height, width in sizes():
        once = rule(height, width, 3136, 501760)
        first = rule(height, width, 3136, 16384 * 784)
        both = first and rule(*first, 3136, 501760)
        rows.append([height, width, once, both])
    out = pathlib.Path(__file__).parents[2] / "packages/core/src/media/fixtures/smart-resize.json"
    out.write_text("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n")
    print(len(rows), "sizes")


main()
