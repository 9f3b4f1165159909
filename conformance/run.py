"""Runs every row and prints one line each: ok, FAILED, or skipped with the reason. Exits 1 if one failed."""

import sys
import time
import traceback

import rows_hooks
import rows_http
import rows_index
import rows_sources
import rows_trl
from harness import Skip


def run(name, row):
    started = time.monotonic()
    try:
        said = row()
    except Skip as reason:
        print(f"skipped {name}: {reason}", flush=True)
        return True
    except Exception:  # noqa: BLE001 -- whatever it was, the row failed
        print(f"FAILED  {name}\n{traceback.format_exc()}", flush=True)
        return False
    print(f"ok      {name} ({time.monotonic() - started:.0f} s): {said}", flush=True)
    return True


if __name__ == "__main__":
    wanted = sys.argv[1:]
    rows = [*rows_http.ROWS, *rows_index.ROWS, *rows_hooks.ROWS, *rows_trl.ROWS, *rows_sources.ROWS]
    done = [run(name, row) for name, row in rows if not wanted or any(word.lower() in name.lower() for word in wanted)]
    sys.exit(0 if done and all(done) else 1)
