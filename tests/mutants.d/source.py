"""The mutants, and one source that holds all of them, each behind a number (see tests/mutants)."""
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent.parent
WORK = TOP / "target/mutants"
KEPT = ["core", "whole", "store", "format", "marks", "apply", "history", "report"]
TESTS = ["apply", "engine", "policies", "policies.rs", "simulation", "support", "data"]
# Errors that a mutant would have alone too: there is no such type, trait, method or argument.
NOWHERE = ("E0061", "E0277", "E0308", "E0369", "E0433", "E0599", "E0600")
# `a | b` and `a ^ b` are the same where the two share no bit. Only for names of flags of these types
# on both sides: each is a bit of its own in every one of them.
FLAG = r"(?:OFlags|ResolveFlags|AtFlags|StatxFlags|RenameFlags|FallocateFlags|Access|Mode)::[A-Z_]+"
RUNTIME = '''//! Which mutant is the one that is alive.
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
static ALIVE: AtomicU32 = AtomicU32::new(u32::MAX);
const TRACING: u32 = u32::MAX - 1;
static PASSED: [AtomicBool; COUNT] = [const { AtomicBool::new(false) }; COUNT];
static TRACE: std::sync::OnceLock<std::fs::File> = std::sync::OnceLock::new();
/// The number of the mutant that is alive; `first` is the first one of those at this place.
#[inline]
pub fn at(first: u32) -> u32 {
    let alive = ALIVE.load(Relaxed);
    if alive < TRACING { alive } else { look(first) }
}
#[cold]
fn look(first: u32) -> u32 {
    if let Ok(number) = std::env::var("RETAIN_MUTANT") {
        let number = number.parse().unwrap();
        ALIVE.store(number, Relaxed);
        return number;
    }
    let trace = TRACE.get_or_init(|| {
        let path = std::env::var_os("RETAIN_TRACE").unwrap();
        std::fs::File::options().append(true).open(path).unwrap()
    });
    ALIVE.store(TRACING, Relaxed);
    if !PASSED[first as usize].swap(true, Relaxed) {
        { trace }.write_all(format!("{first}\\n").as_bytes()).unwrap();
    }
    0
}
'''


def log(text):
    print(text, file=sys.stderr, flush=True)


def die(text):
    sys.exit(f"tests/mutants: {text}")


def copy(called):
    """The crate without what neither core nor apply needs; deps are shared with the crate's own."""
    to = WORK / called
    fresh = WORK / f"{called}.new"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    for part in ["docs", "policies", "examples", "contrib"]:
        (fresh / part).symlink_to(TOP / part)
    for name in ["policy.schema.json", "README.md", "Cargo.lock"]:
        shutil.copy2(TOP / name, fresh)
    for part in KEPT:
        for path in [*(TOP / "src").glob(f"{part}/**/*"), TOP / f"src/{part}.rs"]:
            if path.is_file():
                put(fresh / path.relative_to(TOP), path.read_bytes())
    for part in TESTS:
        for path in [TOP / "tests" / part, *(TOP / "tests" / part).glob("**/*")]:
            if path.is_file():
                put(fresh / path.relative_to(TOP), path.read_bytes())
    lib = "#![allow(warnings, arithmetic_overflow, unconditional_panic)]\n" + "".join(f"pub mod {m};\n" for m in KEPT)
    put(fresh / "src/lib.rs", lib.encode())
    put(fresh / "src/main.rs", b"fn main() {}\n")
    manifest = (TOP / "Cargo.toml").read_text()
    manifest = re.sub(r"(?s)\[\[bench\]\].*?\n\n", "", manifest)
    manifest = re.sub(r"(?s)\[lints\..*", "", manifest)
    manifest = manifest.replace("[profile.dev]\n", "[profile.dev]\nopt-level = 1\n")
    manifest = manifest.replace("\ndebug = 1\n", "\ndebug = 0\n") + "[workspace]\n"
    # Cargo tells two copies in one target directory apart by their versions, not by their paths.
    manifest, n = re.subn(r'(?m)^(version = "[^"]*)"$', rf'\1-{called}"', manifest, count=1)
    n or die("Cargo.toml has no version")
    put(fresh / "Cargo.toml", manifest.encode())
    sync(fresh, to)
    return to


def put(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def sync(fresh, to):
    """Moves files that differ, so that nothing is built again for nothing."""
    to.mkdir(exist_ok=True)
    for path in [p for p in to.glob("**/*") if p.is_file() and not p.is_symlink()]:
        if not (fresh / path.relative_to(to)).exists():
            path.unlink()
    for path in fresh.glob("**/*"):
        old = to / path.relative_to(fresh)
        if path.is_symlink():
            old.is_symlink() or old.symlink_to(path.readlink())
        elif path.is_file() and not (old.is_file() and old.read_bytes() == path.read_bytes()):
            put(old, path.read_bytes())
    shutil.rmtree(fresh)


def cargo(where, *arguments):
    """The compiler's messages."""
    command = ["cargo", *arguments, "--offline", "--message-format=json", "--quiet"]
    env = {**os.environ, "CARGO_TARGET_DIR": str(TOP / "target")}
    done = subprocess.run(command, cwd=where, env=env, capture_output=True, text=True)
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode and not any(m["reason"] == "compiler-message" for m in lines):
        die(f"{' '.join(command)}\n{done.stderr}")
    return done.returncode == 0, lines


def programs(where):
    """The test programs of a copy, by name."""
    ok, messages = cargo(where, "test", "--no-run", "--lib", "--tests")
    if not ok:
        errors = [m["message"]["rendered"] for m in messages if m["reason"] == "compiler-message"]
        die("the copy does not build\n" + "\n".join(errors[:5]))
    built = [m for m in messages if m["reason"] == "compiler-artifact" and m["executable"]]
    return {m["target"]["name"]: m["executable"] for m in built
            if m["profile"]["test"] and "bin" not in m["target"]["kind"]}


def mutants(files, pattern):
    """What cargo-mutants would do, numbered from 1."""
    command = ["cargo", "mutants", "--list", "--json"]
    for path in ["src/core.rs", "src/core/**", "src/apply.rs", "src/apply/**"]:
        command += ["--file", path]
    done = subprocess.run(command, cwd=TOP, capture_output=True, text=True)
    if done.returncode:
        die(f"cargo mutants: {done.stderr}\n(cargo install cargo-mutants --locked)")
    found = json.loads(done.stdout)
    found.sort(key=lambda m: (m["file"], m["span"]["start"]["line"], m["span"]["start"]["column"]))
    for number, mutant in enumerate(found, 1):
        mutant["id"] = number
    label(found)
    wanted = lambda m: m["file"].startswith(files) and re.search(pattern, m["name"])
    return [m for m in found if wanted(m)]


def label(found):
    """Names that hold when lines move: file, function, what is done, and the how-many-th of these."""
    seen = {}
    for mutant in found:
        what = f"{mutant['file']}: {re.sub(r'^[^ ]* ', '', mutant['name'])}"
        seen[what] = seen.get(what, 0) + 1
        mutant["label"] = f"{what} #{seen[what]}"


def is_equivalent(mutant):
    """`|` between two flags that share no bit, as `^`."""
    if not mutant["name"].partition(" ")[2].startswith("replace | with ^ "):
        return False
    start = mutant["span"]["start"]
    line = (TOP / mutant["file"]).read_text().split("\n")[start["line"] - 1]
    before, after = line[: start["column"] - 1], line[start["column"] :]
    return bool(re.search(FLAG + r"\s*$", before) and re.match(r"\s*" + FLAG, after))


class Edit:
    """A part of a file that is written anew: an expression, a body, a guard, or nothing yet."""

    def __init__(self, kind, start, end):
        self.kind, self.start, self.end, self.mutants, self.inside = kind, start, end, [], []


class File:
    """A source file, and the mutants behind numbers in it."""

    def __init__(self, path, parser):
        self.path, self.text = path, (TOP / path).read_bytes()
        self.lines = self.text.decode().split("\n")
        self.starts = [0]
        for line in self.lines:
            self.starts.append(self.starts[-1] + len(line.encode()) + 1)
        self.tree = parser.parse(self.text)

    def offset(self, at):
        line = self.lines[at["line"] - 1]
        return self.starts[at["line"] - 1] + len(line[: at["column"] - 1].encode())

    def span(self, mutant):
        return self.offset(mutant["span"]["start"]), self.offset(mutant["span"]["end"])

    def place(self, mutant):
        """Kind, start and end of what a mutant replaces; `None` where nothing can be asked."""
        start, end = self.span(mutant)
        node = self.tree.root_node.descendant_for_byte_range(start, end)
        up = node
        while up is not None:
            if up.type in ("const_item", "static_item", "const_block", "array_type"):
                return None
            length = up.type == "array_expression" and up.child_by_field_name("length")
            if length and length.start_byte <= start and end <= length.end_byte:
                return None
            if up.type == "function_item":
                break
            up = up.parent
        if mutant["genre"] == "FnValue":
            if "impl " in mutant["function"]["return_type"]:
                return None
            while node.type != "block" or node.parent.type != "function_item":
                node = node.parent
            return "body", node.start_byte, node.end_byte
        if mutant["genre"] == "MatchArm":
            node = self.tree.root_node.descendant_for_byte_range(start, start + 1)
            while node.type != "match_arm":
                node = node.parent
            pattern = node.child_by_field_name("pattern")
            guard = pattern.child_by_field_name("condition")
            at = guard or pattern
            return ("guard", at.start_byte, at.end_byte) if guard else ("arm", at.end_byte, at.end_byte)
        if mutant["genre"] == "MatchArmGuard":
            return "guard", start, end
        kinds = ("binary_expression", "compound_assignment_expr", "unary_expression",
                 "struct_expression", "assignment_expression")
        while node.type not in kinds or (node.start_byte, node.end_byte) == (start, end):
            node = node.parent
            if node is None or node.type in ("function_item", "let_chain"):
                return None
        return "expression", node.start_byte, node.end_byte

    def written(self, hosted, const):
        """The file with these mutants in it. `const`: functions that must stay so."""
        edits = {}
        for mutant in hosted:
            place = mutant["place"]
            edits.setdefault(place, Edit(*place)).mutants.append(mutant)
        for start, end in self.const_functions(hosted, const):
            edits["const", start] = Edit("drop", start, end)
        return self.render(0, len(self.text), nest(list(edits.values()))).decode()

    def const_functions(self, hosted, const):
        """Where the word `const` stands before a function that asks for a number."""
        found = set()
        for mutant in hosted:
            node = self.tree.root_node.descendant_for_byte_range(*mutant["place"][1:])
            while node is not None and node.type != "function_item":
                node = node.parent
            if node is None or node.child_by_field_name("name").text.decode() in const:
                continue
            for part in (c for n in node.children if n.type == "function_modifiers" for c in n.children):
                if part.type == "const":
                    found.add((part.start_byte, part.end_byte))
        return found

    def render(self, start, end, edits):
        out, at = [], start
        for edit in edits:
            out += [self.text[at : edit.start], self.replaced(edit)]
            at = edit.end
        return b"".join([*out, self.text[at:end]])

    def replaced(self, edit):
        inner = self.render(edit.start, edit.end, edit.inside)
        if edit.kind == "drop":
            return b""
        first = min(m["id"] for m in edit.mutants)
        ask = f"crate::mutant::at({first})"
        mark = lambda m, text: f"\n/*m{m['id']}<*/ {text} /*m{m['id']}>*/\n"
        if edit.kind == "body":
            lines = "".join(
                mark(m, f"if {ask} == {m['id']} {{ return {m['replacement']}; }}") for m in edit.mutants)
            return b"{" + lines.encode() + inner[1:]
        gone = [m for m in edit.mutants if m["genre"] == "MatchArm"]
        ask_gone = "".join(mark(m, f"({ask} != {m['id']})") for m in gone)
        if edit.kind == "arm":
            return f" if {ask_gone}".encode()
        arms = ""
        for mutant in (m for m in edit.mutants if m not in gone):
            start, end = self.span(mutant)
            text = self.text[edit.start : start] + mutant["replacement"].encode() + self.text[end : edit.end]
            arms += mark(mutant, f"{mutant['id']} => {{ {text.decode()} }}")
        whole = inner
        if arms:
            whole = f"(match {ask} {{{arms} _ => {{ ".encode() + inner + b" } })"
        return f"{ask_gone} && (".encode() + whole + b")" if gone else whole


def nest(edits):
    """Outer edits with the inner ones inside them."""
    edits.sort(key=lambda e: (e.start, -e.end, e.kind != "body"))
    top, stack = [], []
    for edit in edits:
        while stack and stack[-1].end <= edit.start and stack[-1].end < max(edit.end, edit.start + 1):
            stack.pop()
        (stack[-1].inside if stack else top).append(edit)
        stack.append(edit)
    return top


def lines_of(text):
    """Which lines of a written file belong to which mutant."""
    found, opened = {}, {}
    for number, line in enumerate(text.split("\n"), 1):
        for mutant, mark in re.findall(r"/\*m(\d+)([<>])\*/", line):
            if mark == "<":
                opened[mutant] = number
            else:
                found[int(mutant)] = range(opened[mutant], number + 1)
    return found


def many(all_mutants):
    """Writes and checks the copy with all mutants that compile in it; returns those."""
    import tree_sitter
    import tree_sitter_rust

    where = copy("many")
    parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_rust.language()))
    files = {path: File(path, parser) for path in {m["file"] for m in all_mutants}}
    for mutant in all_mutants:
        mutant["place"] = files[mutant["file"]].place(mutant)
    hosted = {m["id"]: m for m in all_mutants if m["place"]}
    lib = (where / "src/lib.rs").read_text()
    put(where / "src/lib.rs", (lib + "pub mod mutant;\n").encode())
    size = max(m["id"] for m in all_mutants) + 1
    put(where / "src/mutant.rs", RUNTIME.replace("COUNT", str(size)).encode())
    const, refused, stale = set(), {}, set(files)
    by_file, ranges = {}, {}
    for attempt in range(60):
        for path in stale:
            mine = [m for m in hosted.values() if m["file"] == path]
            by_file[path] = files[path].written(mine, const)
            ranges[path] = lines_of(by_file[path])
            put(where / path, by_file[path].encode())
        ok, messages = cargo(where, "check", "--lib")
        if ok:
            log(f"{len(hosted)} of {len(all_mutants)} mutants compile in one program")
            return where, hosted, refused
        errors = [m["message"] for m in messages if m["reason"] == "compiler-message"]
        errors = [e for e in errors if e["level"] == "error" and e["spans"]]
        before, stale = len(hosted), set()
        # Those of an error that is nowhere in one only when no other is left: it may be another's doing.
        for near in (False, True):
            for error in [] if stale else errors:
                blame(error, hosted, ranges, refused, stale, const, near)
        log(f"check {attempt}: {len(errors)} errors, {before - len(hosted)} mutants taken out")
        if not stale:
            die("\n".join(e["rendered"] for e in errors[:5]))
    die("the copy does not compile")


def blame(error, hosted, ranges, refused, stale, const, near):
    """Takes out the mutants that an error of the compiler is about, with its code if it is their own;
    of one that is in none, with `near`, those of the function that it is in."""
    spans = sorted(error["spans"], key=lambda s: not s["is_primary"])
    spans += [s for child in error["children"] for s in child["spans"]]
    if (error["code"] or {}).get("code") == "E0015":
        name = re.search(r"`([^`]*)`", error["message"])
        name = name and re.sub(r"<.*>", "", name[1]).split("::")[-1]
        if name and name != "at" and name not in const:
            const.add(name)
            stale |= set(ranges)
            return
    for span in spans:
        at, file = span["line_start"], span["file_name"]
        if file not in ranges:
            continue
        guilty = [i for i, lines in ranges[file].items() if at in lines and i in hosted]
        if guilty:
            direct = span["is_primary"]
            break
    else:
        direct = False
        # Nowhere in one: all of the function that it is in.
        at, file = spans[0]["line_start"], spans[0]["file_name"]
        around = [(abs(lines.start - at), i) for i, lines in ranges.get(file, {}).items() if i in hosted]
        guilty = []
        if near and around:
            function = hosted[min(around)[1]]["function"]
            guilty = [i for i, m in hosted.items() if m["file"] == file and m["function"] == function]
    for i in guilty:
        refused[i] = (error["code"] or {}).get("code") if direct else None
        del hosted[i]
        stale.add(file)
