#!/usr/bin/env python3
"""Deciding, against the peers: see tests/bench-decide, which calls this.

decide_peers.py MEASURE DIR ROUNDS CHECKPOINTS   all of it, as a table
decide_peers.py polars|duckdb DIR                one peer: one query for each line it reads

Each piece of work is a process that holds its data and waits for its turn; they take turns in a new
random order each round, and what counts is the median of the pair ratios of a round. CPU seconds
are of all threads; every program has two. The first round is not counted.
"""
import os
import random
import statistics
import subprocess
import sys
import time

from rows import row as tell

THREADS = "2"
LAST, BEST = 5, 3


def columns(directory):
    """The records in no order, as `measure export` wrote them."""
    import numpy

    kinds = {"session": "<u4", "step": "<u4", "loss": "<f4", "bytes": "<u8", "created": "<i8"}
    data = {name: numpy.fromfile(f"{directory}/{name}", kind) for name, kind in kinds.items()}
    data["bytes"] = data["bytes"].astype("<i8")
    data["id"] = numpy.arange(len(data["step"]), dtype="<u4")
    return data


def polars_query(directory):
    """The kept by sorting each group once for each rule, the rest oldest first until it fits."""
    import polars as pl

    table = pl.DataFrame(columns(directory))
    budget = int(table["bytes"].sum()) // 100 * 35

    def query():
        groups = table.lazy().group_by("session")
        last = groups.agg(pl.col("id").sort_by("step", descending=True).head(LAST))
        best = groups.agg(pl.col("id").sort_by(["loss", "step"], descending=[False, True]).head(BEST))
        kept = pl.concat([x.select(pl.col("id").explode()) for x in (last, best)]).unique()
        need = int(table["bytes"].sum()) - budget
        before = pl.col("bytes").cum_sum() - pl.col("bytes")
        rest = table.lazy().join(kept, on="id", how="anti").sort(["created", "id"])
        gone = rest.with_columns(before.alias("before")).filter(pl.col("before") < need)
        return gone.select(pl.len(), pl.col("bytes").sum()).collect().row(0)

    return query


def duckdb_query(directory):
    """The same by window functions."""
    import duckdb

    connection = duckdb.connect()
    connection.execute(f"set threads = {THREADS}")
    source = columns(directory)  # DuckDB finds it by its name
    connection.execute("create table c as select * from source")
    del source
    total = connection.execute("select sum(bytes) from c").fetchone()[0]
    sql = f"""
        with ranked as (
            select id, bytes, created,
                row_number() over (partition by session order by step desc) as newest,
                row_number() over (partition by session order by loss, step desc) as best
            from c),
        rest as (select * from ranked where newest > {LAST} and best > {BEST}),
        queue as (select bytes, sum(bytes) over (order by created, id
            rows between unbounded preceding and current row) - bytes as before from rest)
        select count(*), sum(bytes) from queue where before < {int(total) - int(total) // 100 * 35}"""
    return lambda: connection.execute(sql).fetchone()


def peer(name, directory):
    query = {"polars": polars_query, "duckdb": duckdb_query}[name](directory)
    print("ready", flush=True)
    for _ in sys.stdin:
        wall, cpu = time.perf_counter(), time.process_time()
        query()
        print(time.perf_counter() - wall, time.process_time() - cpu, 0, flush=True)


class Work:
    """A process that waits for its turn."""

    def __init__(self, command):
        environment = {**os.environ, "RAYON_NUM_THREADS": THREADS, "POLARS_MAX_THREADS": THREADS}
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment)

    def ready(self):
        if self.process.stdout.readline().strip() != "ready":
            sys.exit(f"{self.process.args} did not start")

    def turn(self):
        """Wall seconds, CPU seconds, bytes."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return [float(x) for x in self.process.stdout.readline().split()]

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def interleave(commands, rounds):
    """For each name its [wall, CPU, bytes] of every round but the first."""
    works = {name: Work(command) for name, command in commands.items()}
    for work in works.values():
        work.ready()
    rows = {name: [] for name in works}
    for turn in range(rounds + 1):
        for name in random.sample(list(works), len(works)):
            row = works[name].turn()
            if turn:
                rows[name].append(row)
    for work in works.values():
        work.end()
    return rows


def ratio(rows, ours, other, what=1):
    """Median of the pair ratios, 1 for CPU, 0 for wall."""
    return statistics.median(a[what] / b[what] for a, b in zip(rows[ours], rows[other]))


def speed(rows, name):
    """MB of text per CPU second."""
    return statistics.median(bytes_ / cpu / 1e6 for _, cpu, bytes_ in rows[name])


class Table:
    def __init__(self):
        self.broken = 0
        print("| what | measured | target | |\n|---|---|---|---|")

    def row(self, what, value, shown, target=None, at_least=False):
        holds = target is None or (value >= target if at_least else value <= target)
        self.broken += not holds
        aim = "" if target is None else f"{'>=' if at_least else '<='} {target:g}"
        print(f"| {what} | {shown} | {aim} | {'' if target is None else 'holds' if holds else '**fails**'} |",
              flush=True)
        tell("decide", what, shown, aim, None if target is None else holds)


def main(measure, directory, rounds, count):
    def ours(work, n=count):
        return [measure, work, str(n), str(max(n // 100, 1))]

    def million(n):
        return f"{n:,}".replace(",", " ")

    subprocess.run([*ours("export"), directory], check=True)
    here = [sys.executable, __file__]
    rows = interleave({
        "decide": ours("decide"), "again": ours("decide"),
        "bare": ours("bare-shuffled"), "grouped": ours("bare"),
        "polars": [*here, "polars", directory], "duckdb": [*here, "duckdb", directory],
    }, rounds)
    table = Table()
    work = f"decide {million(count)} checkpoints"
    for other, label, target in [
        ("polars", "polars, ranking and budget without reasons", 0.33), ("duckdb", "DuckDB, ranking and budget without reasons", 0.33),
        ("bare", "bare columns in no order", 4), ("grouped", "bare columns grouped by session", None),
        ("again", "itself (noise)", None),
    ]:
        cpu, wall = ratio(rows, "decide", other), ratio(rows, "decide", other, 0)
        table.row(f"{work} / {label}", cpu, f"CPU {cpu:.2f}, wall {wall:.2f}", target)

    sizes = [n for n in (10**4, 10**5, 10**6, 10**7) if n <= count]
    rows = interleave({n: ours("decide", n) for n in sizes}, max(rounds, 5))
    each = {n: statistics.median(cpu for _, cpu, _ in rows[n]) / n for n in sizes}
    for n in sizes[1:]:
        value = each[n] / each[sizes[0]]
        table.row(f"CPU per checkpoint, {million(n)} / {million(sizes[0])}", value, f"{value:.2f}", 1.3)

    held, peak = subprocess.run(ours("memory"), check=True, capture_output=True, text=True).stdout.split()
    table.row("peak bytes per checkpoint, all held and decided", float(peak),
              f"{peak}, of which the inventory {held}", 200)

    works = ("read", "parse", "lines", "write", "plan")
    rows = interleave({work: ours(work, min(count, 10**6)) for work in works}, rounds)
    for work, label in [("read", "read an inventory"), ("write", "write an inventory"), ("plan", "write a plan")]:
        value = speed(rows, work)
        table.row(f"{label} of {million(min(count, 10**6))}, MB per CPU second", value, f"{value:.0f}", 200, True)
    value = ratio(rows, "read", "parse")
    table.row("read an inventory / parse its lines with serde_json", value, f"CPU {value:.2f}")
    value = ratio(rows, "read", "lines")
    table.row("read an inventory / count its lines", value, f"CPU {value:.1f}")
    print(f"\n{rounds} rounds; load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors; "
          f"{table.broken} of the targets fail.")
    return 1 if table.broken else 0


if __name__ == "__main__":
    if sys.argv[1] in ("polars", "duckdb"):
        peer(sys.argv[1], sys.argv[2])
    else:
        sys.exit(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
