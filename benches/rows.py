"""What a benchmark measured beside what is promised, for the one table of tests/bench-peers."""
import json
import os


def row(path, what, measured, target=None, holds=None):
    """Adds a line to the file that RETAIN_BENCH_ROWS names, if it is set.

    `path`: the hot path it belongs to; `measured` and `target`: as they are shown; `holds`: whether the
    promise holds, `None` where nothing is promised.
    """
    name = os.environ.get("RETAIN_BENCH_ROWS")
    if not name:
        return
    with open(name, "a") as out:
        out.write(json.dumps({"path": path, "what": what, "measured": measured, "target": target or "",
                              "holds": holds}) + "\n")
