"""A directory seen through `benches/slowfs`: a store that takes 1 ms for each request."""
import contextlib
import os
import subprocess
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
# More than the program that is measured has at work, which each has one thread here.
THREADS = 128


@contextlib.contextmanager
def mounted(source, place):
    """Shows `source` at `place`, a new directory; gives `None` where there is no FUSE."""
    manifest = TOP / "benches/slowfs/Cargo.toml"
    target = Path(os.environ.get("CARGO_TARGET_DIR", TOP / "target")) / "slowfs"
    subprocess.run(["cargo", "build", "--release", "--locked", "--quiet", "--manifest-path", manifest,
                    "--target-dir", target], check=True)
    place.mkdir()
    command = [target / "release/slowfs", source, place, "--threads", str(THREADS)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as server:
        is_there = server.stdout.readline() == b"mounted\n"
        try:
            yield place if is_there else None
        finally:
            if is_there:
                subprocess.run(["umount", place], check=True)
