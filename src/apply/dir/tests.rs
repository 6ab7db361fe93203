//! Both ways of opening a directory refuse the same, and entries are seen as they are.

use super::*;
use std::os::unix::fs::symlink;

fn errno(result: io::Result<OwnedFd>) -> Option<Errno> {
    result.err().and_then(|e| Errno::from_io_error(&e))
}

#[test]
fn both_ways_open_the_same_and_refuse_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let at = |p: &str| dir.path().join(p);
    std::fs::create_dir_all(at("a/b/c")).unwrap();
    std::fs::write(at("a/file"), "").unwrap();
    symlink("b", at("a/link")).unwrap();
    symlink("/", at("a/up")).unwrap();
    symlink("loop", at("a/loop")).unwrap();
    let root = std::fs::File::open(dir.path()).unwrap();
    for how in [How::Openat2, How::Components] {
        let open = |path: &str| open(root.as_fd(), &Rel::parse(path).unwrap(), how);
        for path in [".", "a", "a/b", "a/b/c"] {
            let wanted = std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(at(path)).unwrap());
            let fd = open(path).unwrap();
            assert_eq!(stat_fd(fd.as_fd()).unwrap().stx_ino, wanted, "{how:?} {path}");
        }
        // `openat2` says what it minds, one step at a time only that a link is no directory.
        let link = if how == How::Openat2 { Errno::LOOP } else { Errno::NOTDIR };
        for (path, error) in [
            ("a/x", Errno::NOENT),
            ("a/x/y", Errno::NOENT),
            ("a/file", Errno::NOTDIR),
            ("a/file/x", Errno::NOTDIR),
            ("a/link", Errno::NOTDIR),
            ("a/link/c", link),
            ("a/up/etc", link),
            ("a/loop", Errno::NOTDIR),
        ] {
            assert_eq!(errno(open(path)), Some(error), "{how:?} {path}");
        }
        let a = open("a").unwrap();
        let up = errno(step(a.as_fd(), c"..", how));
        assert!(how == How::Components || up == Some(Errno::XDEV), "{up:?}");
        // Mounts: /proc is one on every Linux machine.
        let top = std::fs::File::open("/").unwrap();
        let proc = super::open(top.as_fd(), &Rel::parse("proc/self").unwrap(), how);
        assert!(matches!(errno(proc), Some(Errno::XDEV | Errno::LOOP)), "{how:?}");
        assert_eq!(errno(step(top.as_fd(), c"proc", how)), Some(Errno::XDEV), "{how:?}");
    }
}

#[test]
fn a_path_longer_than_the_system_takes() {
    let dir = tempfile::tempdir().unwrap();
    let root = std::fs::File::open(dir.path()).unwrap();
    let name = "n".repeat(250);
    let mut at: OwnedFd = root.try_clone().unwrap().into();
    for _ in 0..40 {
        fs::mkdirat(&at, name.as_str(), Mode::RWXU).unwrap();
        at = step(at.as_fd(), &CString::new(name.as_str()).unwrap(), How::Components).unwrap();
    }
    let rel = Rel::parse(&vec![name; 40].join("/")).unwrap();
    for how in [How::Openat2, How::Components] {
        let fd = open(root.as_fd(), &rel, how).unwrap();
        assert_eq!(stat_fd(fd.as_fd()).unwrap().stx_ino, stat_fd(at.as_fd()).unwrap().stx_ino);
    }
    let done = std::process::Command::new("rm").arg("-rf").arg(dir.path()).status().unwrap();
    assert!(done.success());
}

#[test]
fn a_path_goes_in_as_few_pieces_as_the_kernel_takes() {
    let pieces = |lengths: &[usize]| -> Vec<usize> {
        let name = |n: &usize| CString::new(vec![b'n'; *n]).unwrap();
        let names: Vec<CString> = lengths.iter().map(name).collect();
        let pieces = pieces(&names);
        let bytes: Vec<&[u8]> = names.iter().map(|n| n.to_bytes()).collect();
        assert_eq!(pieces.join(&b'/'), bytes.join(&b'/'), "{lengths:?}");
        pieces.iter().map(Vec::len).collect()
    };
    assert!(pieces(&[]).is_empty());
    assert_eq!(pieces(&[1, 2, 3]), [8]);
    assert_eq!(pieces(&[MAX_PATH - 2, 1, 1]), [MAX_PATH, 1]);
    assert_eq!(pieces(&[MAX_PATH - 1, 1, 1]), [MAX_PATH - 1, 3]);
    assert_eq!(pieces(&[250; 13]), [250 * 11 + 10, 501]);
}

#[test]
fn where_the_kernel_has_no_openat2_it_is_not_used() {
    for unknown in [Errno::NOSYS, Errno::PERM, Errno::INVAL] {
        assert_eq!(by_probe(Err(unknown)), How::Components, "{unknown:?}");
    }
    // Here of all places it may be forbidden or impossible; the call itself is there.
    for known in [Ok(()), Err(Errno::ACCESS), Err(Errno::AGAIN), Err(Errno::XDEV)] {
        assert_eq!(by_probe(known), How::Openat2, "{known:?}");
    }
}

#[test]
fn without_statx_ids_a_mount_shows_in_proc() {
    let top = std::fs::File::open("/").unwrap();
    let proc = std::fs::File::open("/proc").unwrap();
    let ids = [&top, &proc].map(|f| mount_by_proc(f.as_fd()).unwrap());
    assert_ne!(ids[0], ids[1]);
    let mut stat = stat_fd(top.as_fd()).unwrap();
    let mount = |stat: &Statx, by_proc| mount_of(stat, || by_proc).unwrap().0;
    stat.stx_mask = (StatxFlags::BASIC_STATS | StatxFlags::MNT_ID).bits();
    assert_eq!(mount(&stat, Ok(ids[0] + 1)), ids[0], "statx was believed");
    stat.stx_mask = StatxFlags::BASIC_STATS.bits();
    stat.stx_mnt_id = 0;
    assert_eq!(mount(&stat, Ok(ids[0])), ids[0]);
    assert!(mount_of(&stat, || Err(Errno::NOENT.into())).is_err());
}

#[test]
fn entries_are_seen_as_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let at = |p: &str| dir.path().join(p);
    for (name, len) in [("c", 0), ("a", 9), ("b", 10), ("d", 11), ("e", 12)] {
        std::fs::write(at(name), "0123456789ab".get(..len).unwrap()).unwrap();
    }
    symlink("a", at("link")).unwrap();
    fs::mkfifoat(fs::CWD, at("pipe"), Mode::RWXU).unwrap();
    let fd = std::fs::File::open(dir.path()).unwrap();
    let fd = fd.as_fd();
    let all = [c"a", c"b", c"c", c"d", c"e", c"link", c"pipe"].map(CStr::to_owned);
    for _ in 0..2 {
        assert_eq!(names(fd).unwrap(), all);
    }
    for (name, wanted) in [
        (c"a", Some(FileType::RegularFile)),
        (c"link", Some(FileType::Symlink)),
        (c"pipe", Some(FileType::Fifo)),
        (c"none", None),
    ] {
        assert_eq!(look(fd, name).unwrap().map(|s| kind(&s)), wanted, "{name:?}");
    }
    // What cannot be looked for is not taken to be missing.
    let long = CString::new("n".repeat(300)).unwrap();
    assert!(look(fd, &long).is_err());
    for (name, text, head) in [
        (c"a", Some("012345678"), Some("012345678")),
        (c"b", Some("0123456789"), Some("0123456789")),
        (c"d", None, Some("0123456789")),
        (c"e", None, Some("0123456789")),
        (c"link", None, None),
        (c"pipe", None, None),
        (c"none", None, None),
    ] {
        let read = |found: io::Result<(Vec<u8>, Statx)>| found.ok().map(|(b, _)| b);
        assert_eq!(read(read_file(fd, name, 10)).as_deref(), text.map(str::as_bytes), "{name:?}");
        assert_eq!(read(read_head(fd, name, 10)).as_deref(), head.map(str::as_bytes), "{name:?}");
    }
    for flags in [DIR, FILE] {
        assert!(flags.contains(OFlags::CLOEXEC | OFlags::NOFOLLOW), "{flags:?}");
    }
}

#[test]
fn paths_that_are_none() {
    for bad in
        ["/a", "a//b", "a/", "./a", "a/.", "..", "a/../b", ".retain", "a/.retain/trash", "a\0b\x00"]
    {
        assert!(Rel::parse(bad).is_err(), "{bad:?}");
    }
    for good in ["...", "a/..b", "a/.retained", "a/retain", "-rf", "a\\b"] {
        assert_eq!(Rel::parse(good).unwrap().to_string(), good);
    }
    assert_eq!(Rel::parse("").unwrap(), Rel::parse(".").unwrap());
}
