//! Reports as files: each whole or not at all.

use super::NotDelivered;
use crate::whole::{self, Synced, Whole};
use rustix::fd::AsFd as _;
use rustix::fs::{self, Mode, OFlags};
use rustix::io::Errno;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::Path;

/// Replaces a file in one step. Whoever reads it sees the old one or the new one.
///
/// # Errors
/// It cannot be written; the old one is as it was.
pub fn replace(path: &Path, content: &[u8]) -> Result<(), NotDelivered> {
    let failed = |e: io::Error| {
        let path = crate::core::name::encode(path.as_os_str().as_encoded_bytes()).into_owned();
        NotDelivered(format!("cannot write {path}: {e}"))
    };
    let name = path.file_name().ok_or_else(|| failed(Errno::ISDIR.into()))?;
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let dir = fs::open(folder, flags, Mode::empty()).map_err(|e| failed(e.into()))?;
    // One monitor of a root is at work at a time. The next report replaces what a power cut brings back,
    // and not every file system that holds reports can sync a directory.
    let (temporary, synced) = (&whole::hidden(name, "new"), Synced::Content);
    let new = Whole { dir: dir.as_fd(), name, temporary, mode: 0o644, synced };
    new.replace(|file| file.write_all(content)).map_err(failed)
}

/// The name of an owner's file, without its ending: unlike for unlike owners, in no other folder,
/// and not hidden.
pub fn owner_file(owner: &str) -> String {
    let mut out = String::new();
    for (i, byte) in owner.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => out.push(char::from(byte)),
            b'.' if i > 0 => out.push('.'),
            byte => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    // Room for an ending within 255 bytes.
    if out.is_empty() || out.len() > 200 {
        return format!("owner-{}", blake3::hash(owner.as_bytes()).to_hex());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_stays_in_the_folder() {
        for (owner, file) in [
            ("nlp", "nlp"),
            ("a.b-c_1", "a.b-c_1"),
            ("..", "%2E."),
            (".hidden", "%2Ehidden"),
            ("a/../../etc", "a%2F..%2F..%2Fetc"),
            ("a b\n", "a%20b%0A"),
            ("큰", "%ED%81%B0"),
        ] {
            assert_eq!(owner_file(owner), file);
        }
        assert!(owner_file("").starts_with("owner-"));
        assert!(owner_file(&"x".repeat(300)).len() < 100);
    }

    #[test]
    fn a_file_is_replaced_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("report.md");
        std::fs::write(dir.path().join(".report.md.new"), "left by a killed run").unwrap();
        replace(&path, b"one").unwrap();
        replace(&path, b"two").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
        let error = replace(&dir.path().join("no/folder"), b"x").unwrap_err();
        assert!(error.to_string().starts_with("cannot write "), "{error}");
    }
}
