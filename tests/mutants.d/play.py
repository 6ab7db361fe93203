"""Runs mutants where they can do no harm, each with the tests that come by it (see tests/mutants)."""
import collections
import concurrent.futures
import json
import os
import re
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from source import TOP, WORK, die

WRITABLE = ["/tmp", "/dev/shm"]
SEEDS = "100"
# Tests of the simulation that take minutes.
LONG = ("exhaustive::all_", "exhaustive::every_", "exhaustive::somebody_", "broken::")
# With `--quick`: so many tests for each mutant, none of them longer than so many seconds.
QUICK, MOST = 0.4, 40
JOBS = len(os.sched_getaffinity(0))
# Seconds of processor time that a mutant may take: so many times what the tests took without one (by
# the clock, which is more), and so much more. By the clock it may take long: the machine may be busy.
TIMES, PLUS = 3, 5
MEMORY = 2 << 30


def shut_in():
    """Makes everything but memory read-only. In a mount namespace of this process."""
    def mount(*arguments):
        subprocess.run(["mount", *arguments], check=True, capture_output=True)

    mount("--make-rprivate", "/")
    for place in WRITABLE:
        mount("-t", "tmpfs", "-o", "size=3g,mode=1777", "retain-mutants", place)
    points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for point in sorted({p.encode().decode("unicode_escape") for p in points}):
        if point not in WRITABLE:
            subprocess.run(["mount", "-o", "remount,bind,ro", point], capture_output=True)
    for place in ["/", "/root", "/var", "/etc", "/home", str(TOP), str(WORK), str(Path.home())]:
        probe = Path(place) / f".retain-mutants-{os.getpid()}"
        try:
            probe.touch()
        except OSError:
            continue
        probe.unlink()
        die(f"{place} can still be written: nothing is run")


def limits(cpu):
    def apply():
        resource.setrlimit(resource.RLIMIT_CPU, (int(cpu), int(cpu) + 1))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    return apply


def play(program, tests, env, cpu):
    """Runs tests of a program one after the other, until one fails: what it was, and how."""
    command = [program, "--exact", "--test-threads=1", *tests]
    env = {**os.environ, "TMPDIR": "/tmp", "SIM_SEEDS": SEEDS, "RUST_BACKTRACE": "0",
           "RAYON_NUM_THREADS": "2", **env}
    child = subprocess.Popen(command, env=env, cwd=env["RETAIN_COPY"], stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL, text=True, errors="replace",
                             start_new_session=True, preexec_fn=limits(cpu))
    late = threading.Event()

    def kill(why=late):
        why and why.set()
        try:
            os.killpg(child.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass

    timer = threading.Timer(300 + 30 * cpu, kill)
    timer.start()
    last, failed, passed = tests[0], None, 0
    for line in child.stdout:
        if found := re.match(r"test (\S+) .*?\.\.\. ", line):
            last = found[1]
        if line.rstrip().endswith("FAILED") and line.startswith("test ") and "result" not in line:
            failed = last
            kill(None)
            break
        passed += line.rstrip().endswith("... ok")
    child.stdout.close()
    code = child.wait()
    timer.cancel()
    kill(None)
    if failed:
        return "caught", failed
    if late.is_set() or code in (-signal.SIGXCPU, -signal.SIGKILL):
        return "timeout", last
    if code:
        return "caught", f"{last} (exit {code})"
    return ("passed", "") if passed == len(tests) else ("lost", f"{passed} of {len(tests)} ran")


def trace(work):
    """Which mutants each test passes, and how long it takes."""
    def one(job):
        number, (program, test) = job
        file = Path(f"/tmp/trace-{number}")
        file.touch()
        file.chmod(0o666)
        began = time.monotonic()
        env = {"RETAIN_TRACE": str(file), "RETAIN_COPY": work["where"]}
        result = play(work["programs"][program], [test], env, 600)
        if result[0] != "passed":
            die(f"{program} {test} fails without a mutant: {result}")
        return test, program, time.monotonic() - began, sorted(set(map(int, file.read_text().split())))

    jobs = []
    for program, path in sorted(work["programs"].items()):
        listed = subprocess.run([path, "--list"], capture_output=True, text=True, cwd=work["where"])
        ignored = subprocess.run([path, "--list", "--ignored"], capture_output=True, text=True, cwd=work["where"])
        tests = set(re.findall(r"(?m)^(.*): test$", listed.stdout))
        tests -= set(re.findall(r"(?m)^(.*): test$", ignored.stdout))
        jobs += [(program, t) for t in sorted(tests) if work["long"] or not t.startswith(LONG)]
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        return list(pool.map(one, enumerate(jobs)))


def inside(file):
    """In the namespace: traces if there is no trace, runs the mutants, prints what became of each."""
    work = json.loads(Path(file).read_text())
    shut_in()
    one_at_a_time = threading.Lock()

    def tell(value):
        with one_at_a_time:
            print(json.dumps(value), flush=True)

    if not work["tests"]:
        work["tests"] = trace(work)
        tell({"tests": work["tests"]})
    passes = collections.defaultdict(list)
    for test, program, seconds, firsts in work["tests"]:
        for first in firsts:
            passes[first].append((seconds, program, test))
    everything = [(s, p, t) for t, p, s, _ in work["tests"]]

    def one(mutant):
        tests = sorted(everything if work["all"] else passes[mutant["first"]])
        if work["quick"]:
            tests = [t for t in tests if t[0] <= QUICK][:MOST]
        began, result = time.monotonic(), ("missed", f"by {len(tests)} tests")
        env = {"RETAIN_MUTANT": str(mutant["id"]), "RETAIN_COPY": work["where"]}
        for some in chunks(tests):
            by_program = collections.defaultdict(list)
            for seconds, program, test in some:
                by_program[program].append((seconds, test))
            for program, mine in by_program.items():
                cpu = PLUS + TIMES * sum(s for s, _ in mine)
                what = play(work["programs"][program], [t for _, t in mine], env, cpu)
                if what[0] != "passed":
                    result = what
                    break
            if result[0] != "missed":
                break
        tell({"id": mutant["id"], "is": result[0], "by": result[1], "s": time.monotonic() - began})

    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        list(pool.map(one, work["mutants"]))


def chunks(tests):
    """The first few, then more and more of them."""
    at, size = 0, 6
    while at < len(tests):
        yield tests[at : at + size]
        at, size = at + size, size * 3


def run_inside(where, built, mutants, tests=None, everything=False):
    """Runs mutants in a mount namespace; yields what is told."""
    work = {"long": "--long" in sys.argv, "quick": "--quick" in sys.argv, "where": str(where),
            "programs": built, "tests": tests, "all": everything, "mutants": mutants}
    file = WORK / "work.json"
    file.write_text(json.dumps(work))
    command = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"]),
               sys.executable, str(TOP / "tests/mutants"), "--inside", str(file)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    for line in child.stdout:
        yield json.loads(line)
    if child.wait():
        die("the run ended early")
