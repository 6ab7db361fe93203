//! I1: what is no root, however it is written.

use crate::faulty::{Faulty, Mishap};
use crate::support::*;
use retain::apply::calls::Os;
use retain::apply::{Root, RootError, init};
use rustix::io::Errno;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

fn kind(error: &RootError) -> &'static str {
    match error {
        RootError::Empty => "empty",
        RootError::Missing { .. } => "missing",
        RootError::NotADirectory { .. } => "no directory",
        RootError::Symlink { .. } => "symlink",
        RootError::System { .. } => "system",
        RootError::Home { .. } => "home",
        RootError::Nested { .. } => "nested",
        RootError::Inside { .. } => "inside",
        RootError::Marker { .. } | RootError::Ours { .. } => "marker",
        RootError::Moved { .. } => "moved",
        RootError::Io { .. } => "io",
    }
}

#[track_caller]
fn refused(path: &Path, home: Option<&Path>, expected: &str) {
    let error = Root::open(path, home).err();
    let error = error.unwrap_or_else(|| panic!("{} was taken for a root", path.display()));
    assert_eq!(kind(&error), expected, "{}: {error}", path.display());
    let made = init(path, home, now(), &Os);
    assert!(made.is_err(), "{} was made a root", path.display());
    // Every refusal says what it is about.
    let text = error.to_string();
    assert!(
        matches!(error, RootError::Empty)
            || text.contains(
                &path.components().next().unwrap().as_os_str().to_string_lossy().into_owned()
            )
            || text.contains('`'),
        "{text}"
    );
}

#[test]
fn system_directories_and_what_is_written_like_nothing() {
    let system = [
        "/",
        "//",
        "/.",
        "/..",
        "/../..",
        "/bin",
        "/boot",
        "/dev",
        "/dev/shm",
        "/etc",
        "/home",
        "/lib",
        "/lib64",
        "/media",
        "/mnt",
        "/opt",
        "/proc",
        "/run",
        "/sbin",
        "/srv",
        "/sys",
        "/tmp",
        "/tmp/",
        "/tmp/.",
        "/usr",
        "/usr/local",
        "/usr/bin",
        "/usr/lib",
        "/usr/share",
        "/usr/sbin",
        "/var",
        "/var/cache",
        "/var/lib",
        "/var/log",
        "/var/spool",
        "/var/tmp",
        "/etc/ssl",
        "/usr/share/doc",
        "/usr/lib/../share/doc",
        "/proc/1",
        "/proc/self",
        "/sys/kernel",
        "/sys/fs",
        "/etc/../etc",
        "/usr/bin/../../etc",
    ];
    for path in system {
        if !Path::new(path).exists() {
            continue;
        }
        let error = Root::open(Path::new(path), None).unwrap_err();
        assert!(["system", "symlink", "home"].contains(&kind(&error)), "{path}: {error}");
        assert!(init(Path::new(path), None, now(), &Os).is_err(), "{path}");
    }
    for path in ["", " ", "\t", "\n  "] {
        refused(Path::new(path), None, "empty");
    }
    // What a shell did not expand names nothing.
    for path in ["$ROOT/runs", "~/runs", "${RUNS:-}", "/nonexistent/runs", "nonexistent"] {
        refused(Path::new(path), None, "missing");
    }
    let nul = Path::new(std::ffi::OsStr::from_bytes(b"/tmp/a\0b"));
    assert!(Root::open(nul, None).is_err());
}

#[test]
fn homes() {
    refused(Path::new("/root"), None, "system");
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join("somebody");
    fs::create_dir(&at).unwrap();
    assert!(Root::open(&at, None).is_ok());
    refused(&at, Some(&at), "home");
    refused(&at.join("../somebody/."), Some(&at), "home");
    for name in [".ssh", ".bashrc", ".profile"] {
        let home = dir.path().join(format!("with{name}"));
        fs::create_dir_all(home.join(name)).unwrap();
        refused(&home, None, "home");
        // What is in a home may be a root.
        fs::create_dir(home.join("runs")).unwrap();
        assert!(Root::open(&home.join("runs"), Some(&home)).is_ok());
    }
    for line in fs::read_to_string("/etc/passwd").unwrap().lines() {
        let home = Path::new(line.split(':').nth(5).unwrap());
        if home.is_dir() {
            assert!(Root::open(home, None).is_err(), "{line}");
        }
    }
}

#[test]
fn no_directories_and_symlinks() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::write(at("file"), "").unwrap();
    fs::create_dir(at("real")).unwrap();
    fs::create_dir(at("real/runs")).unwrap();
    symlink("real", at("link")).unwrap();
    symlink("file", at("link-to-file")).unwrap();
    symlink("nowhere", at("dangling")).unwrap();
    symlink("loop", at("loop")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, at("fifo"), rustix::fs::Mode::RUSR).unwrap();
    refused(&at("file"), None, "no directory");
    refused(&at("fifo"), None, "no directory");
    refused(&at("file/x"), None, "no directory");
    for link in
        ["link", "link/", "link/.", "link//", "link/./.", "dangling", "loop", "link-to-file"]
    {
        refused(&at(link), None, "symlink");
    }
    // A symlink on the way is how many storages are mounted; only the root itself must be one.
    // It is called what it was called then; only `..` would mean something else by its name.
    assert_eq!(Root::open(&at("link/runs"), None).unwrap().path, at("link/runs"));
    let plain = dir.path().canonicalize().unwrap().join("real");
    assert_eq!(Root::open(&at("link/runs/.."), None).unwrap().path, plain);
    refused(&at("loop/runs"), None, "symlink");
}

#[test]
fn relative_paths_become_absolute() {
    let root = Root::open(Path::new("src"), None).unwrap();
    assert_eq!(root.path, std::env::current_dir().unwrap().join("src"));
    let root = Root::open(Path::new("./src/../src/"), None).unwrap();
    assert_eq!(root.path, std::env::current_dir().unwrap().canonicalize().unwrap().join("src"));
    assert_eq!(Root::open(Path::new("."), None).unwrap().path, std::env::current_dir().unwrap());
}

#[test]
fn t22_a_root_inside_a_root() {
    let store = Store::sample();
    refused(&store.path("a"), None, "nested");
    refused(&store.path("a/mnist/1"), None, "nested");
    let text = Root::open(&store.path("a/mnist"), None).unwrap_err().to_string();
    assert!(text.contains(&format!("the root `{}`", store.top.display())), "{text}");
}

#[test]
fn the_nearest_root_around_a_place_is_found() {
    let store = Store::sample();
    let (top, deep) = (fs::canonicalize(&store.top).unwrap(), store.path("a/mnist/1"));
    let around = |path: &Path| retain::apply::root::around(&fs::canonicalize(path).unwrap());
    assert_eq!(around(&top).unwrap(), Some(top.clone()));
    assert_eq!(around(&deep).unwrap(), Some(top.clone()));
    store.file("a/.retain/root.toml", "");
    assert_eq!(around(&deep).unwrap(), Some(top.join("a")));
    assert_eq!(around(store.dir.path()).unwrap(), None);
    assert!(around(&store.path("a/.retain/root.toml")).is_err(), "it is no directory");
}

#[test]
fn t22_no_root_is_declared_around_another() {
    let store = Store::new();
    let at = |path: &str| store.path(path);
    fs::remove_dir_all(at(".retain")).unwrap();
    let inner = |many: std::ops::Range<u32>| {
        many.for_each(|n| store.file(format!("deep/{n}/.retain/root.toml"), ""));
    };
    inner(0..5);
    store.file("none/.retain/marks.toml", "");
    std::os::unix::fs::symlink(at("deep/0"), at("link")).unwrap();
    let init = |path: &Path| init(path, None, later(0), &Os).map(|root| root.id.is_some());
    let refused = || init(&store.top).unwrap_err().to_string();
    assert!(refused().contains("deep/4/.retain"), "{}", refused());
    assert!(!["and 0 more", "nothing could be read"].iter().any(|s| refused().contains(s)));
    inner(5..7);
    let error = refused();
    for named in [format!("`{}`", at("deep/4/.retain/root.toml").display()), "and 2 more".into()] {
        assert!(error.contains(&named), "{error}");
    }
    assert!(!at(".retain").exists());
    fs::remove_dir_all(at("deep")).unwrap();
    assert!(init(&store.top).unwrap());
}

#[test]
fn markers_that_are_not_to_be_trusted() {
    type Case = (&'static str, fn(&Path), &'static str);
    let cases: &[Case] = &[
        ("no TOML", |m| fs::write(m, "{").unwrap(), "marker"),
        ("empty", |m| fs::write(m, "").unwrap(), "marker"),
        ("newer", |m| edit(m, "version = 1", "version = 2"), "marker"),
        ("short id", |m| edit(m, "id = \"", "id = \"00"), "marker"),
        (
            "odd id",
            |m| {
                fs::write(m, fs::read_to_string(m).unwrap().replace('a', "z").replace("zg", "ag"))
                    .unwrap();
            },
            "marker",
        ),
        ("not UTF-8", |m| fs::write(m, b"\xff").unwrap(), "marker"),
        ("huge", |m| fs::write(m, "#".repeat(100_000)).unwrap(), "marker"),
        (
            "world-writable",
            |m| fs::set_permissions(m, fs::Permissions::from_mode(0o666)).unwrap(),
            "marker",
        ),
        (
            "a directory",
            |m| {
                fs::remove_file(m).unwrap();
                fs::create_dir(m).unwrap();
            },
            "marker",
        ),
        (
            "a symlink",
            |m| {
                fs::rename(m, m.with_extension("x")).unwrap();
                symlink("root.x", m).unwrap();
            },
            "marker",
        ),
        (
            "a fifo",
            |m| {
                fs::remove_file(m).unwrap();
                rustix::fs::mkfifoat(rustix::fs::CWD, m, rustix::fs::Mode::RUSR).unwrap();
            },
            "marker",
        ),
    ];
    for (what, change, expected) in cases {
        let store = Store::new();
        change(&store.path(".retain/root.toml"));
        let error = Root::open(&store.top, None).err().unwrap_or_else(|| panic!("{what}"));
        assert_eq!(kind(&error), *expected, "{what}: {error}");
        assert!(init(&store.top, None, now(), &Os).is_err(), "{what}: it was overwritten");
    }
    let store = Store::new();
    fs::rename(store.path(".retain"), store.path("elsewhere")).unwrap();
    symlink("elsewhere", store.path(".retain")).unwrap();
    assert_eq!(kind(&Root::open(&store.top, None).unwrap_err()), "marker");
}

fn edit(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(path, text.replacen(from, to, 1)).unwrap();
}

#[test]
fn what_cannot_be_made_is_no_root_and_what_another_makes_first_is_used() {
    for (mishap, good) in [
        (Mishap::Fail(Errno::NOSPC), false),
        // Two commands begin at once.
        (Mishap::DoneButFailed(Errno::EXIST), true),
    ] {
        for at in 0..2 {
            let dir = tempfile::tempdir().unwrap();
            let calls = Faulty::new(mishap, at);
            let made = init(dir.path(), None, now(), &calls);
            assert_eq!(made.is_ok(), good, "{mishap:?} {at}: {made:?}");
            assert_eq!(*calls.hit.lock().unwrap(), Some("mkdir"));
            let open = Root::open(dir.path(), None).unwrap();
            assert_eq!((open.id.is_some(), open.ours().unwrap().is_some()), (good, good || at > 0));
        }
    }
}

#[test]
fn init_makes_a_root_once_and_a_copy_gets_its_own_id() {
    let store = Store::new();
    let id = store.root().id.unwrap();
    assert_eq!((id.len(), store.init().id), (32, Some(id.clone())));
    let text = fs::read_to_string(store.path(".retain/root.toml")).unwrap();
    assert!(text.contains("created = \"2026-02-10T12:00:00Z\""), "{text}");
    // Of which file system that was, in two numbers.
    let filesystem =
        text.split("filesystem = \"").nth(1).and_then(|t| t.split_once('"')).unwrap().0;
    let numbers: Vec<&str> = filesystem.split('-').collect();
    let magic = rustix::fs::statfs(&store.top).unwrap().f_type;
    assert_eq!((numbers[0], numbers[1].len()), (&*format!("{magic:x}"), 16), "{filesystem}");
    // As if it had been copied from another disk: another inode, another file system.
    edit(&store.path(".retain/root.toml"), "filesystem = \"", "filesystem = \"1");
    assert_eq!(store.root().id, Some(id.clone()), "a file system may get a new id at each boot");
    let inode = store.root().inode;
    edit(&store.path(".retain/root.toml"), &format!("inode = {inode}"), "inode = 1");
    assert_eq!(kind(&Root::open(&store.top, None).unwrap_err()), "moved");
    let made = store.init();
    assert!(made.id.is_some() && made.id != Some(id));
    let left: Vec<PathBuf> =
        fs::read_dir(store.path(".retain")).unwrap().map(|e| e.unwrap().path()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
}
