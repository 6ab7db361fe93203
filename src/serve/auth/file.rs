//! The file that holds the tokens: its owner's alone, and never replaced.

use super::{Principal, Scope};
use crate::apply;
use rustix::fs::{self, Mode, OFlags};
use serde::Deserialize;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::Path;

/// Tokens shorter than 256 bits in hex are refused.
const SHORTEST: usize = 64;

#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error("cannot {what} the token file {path}")]
    Io { what: &'static str, path: String, source: io::Error },
    #[error("the token file {path} {why}; `chmod 600` it and make it yours, or name another")]
    Open { path: String, why: String },
    #[error("the token file {path} is damaged: {why}")]
    Damaged { path: String, why: String },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    #[serde(default)]
    token: Vec<Entry>,
}

/// `owner` makes it an owner's; without it, it is an administrator's.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    owner: Option<String>,
    secret: String,
}

/// Reads the tokens, and first adds what is missing: an administrator's, and one for each of
/// `owners`.
///
/// # Errors
/// The file can be read by others, is not a file of ours, or is damaged; or a token in it is short.
pub fn read(path: &Path, owners: &[String]) -> Result<Vec<(String, Principal)>, TokenError> {
    let shown = path.display().to_string();
    let io = |what, source: io::Error| TokenError::Io { what, path: shown.clone(), source };
    if let Some(folder) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(|e| io("make the folder of", e))?;
    }
    let flags = OFlags::RDWR | OFlags::APPEND | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = fs::open(path, flags | OFlags::NONBLOCK, Mode::from(0o600));
    let mut file = File::from(fd.map_err(|e| io("open", e.into()))?);
    check(&file).map_err(|why| TokenError::Open { path: shown.clone(), why })?;
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(|e| io("read", e))?;
    let damaged = |why: String| TokenError::Damaged { path: shown.clone(), why };
    // The text of a syntax error would quote the line, and with it a secret.
    let raw: Raw = toml::from_str(&text).map_err(|e| damaged(e.message().to_owned()))?;
    let mut tokens = Vec::new();
    for entry in raw.token {
        if entry.secret.len() < SHORTEST {
            return Err(damaged(format!("the secret of `{}` is short", entry.name)));
        }
        let scope = entry.owner.map_or(Scope::Administrator, Scope::Owner);
        tokens.push((entry.secret, Principal { name: entry.name, scope }));
    }
    let wanted = [(String::from("administrator"), Scope::Administrator)]
        .into_iter()
        .chain(owners.iter().map(|o| (o.clone(), Scope::Owner(o.clone()))));
    for (name, scope) in wanted {
        if tokens.iter().any(|(_, who)| who.scope == scope) {
            continue;
        }
        let secret = apply::random_hex(32).map_err(|e| io("make a token for", e))?;
        file.write_all(entry(&name, &scope, &secret).as_bytes()).map_err(|e| io("write", e))?;
        tokens.push((secret, Principal { name, scope }));
    }
    file.sync_all().map_err(|e| io("write", e))?;
    Ok(tokens)
}

fn entry(name: &str, scope: &Scope, secret: &str) -> String {
    let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
    let owner = match scope {
        Scope::Administrator => String::new(),
        Scope::Owner(owner) => format!("owner = {}\n", quoted(owner)),
    };
    format!("[[token]]\nname = {}\n{owner}secret = \"{secret}\"\n\n", quoted(name))
}

fn check(file: &File) -> Result<(), String> {
    let stat = fs::fstat(file).map_err(|e| e.to_string())?;
    if fs::FileType::from_raw_mode(stat.st_mode) != fs::FileType::RegularFile {
        return Err("is no file".to_owned());
    }
    if stat.st_uid != rustix::process::geteuid().as_raw() {
        return Err("belongs to somebody else".to_owned());
    }
    if stat.st_mode & 0o077 != 0 {
        return Err("can be read by others".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn it_is_made_once_and_for_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state/tokens.toml");
        let first = read(&path, &[]).unwrap();
        assert_eq!(first.len(), 1);
        assert_eq!(first[0].0.len(), 64);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let owners = ["te\"am".to_owned()];
        let second = read(&path, &owners).unwrap();
        assert_eq!(second[0], first[0], "a token lasts");
        assert_eq!(second[1].1.scope, Scope::Owner("te\"am".into()));
        assert_eq!(read(&path, &owners).unwrap(), second);
    }

    #[test]
    fn a_file_that_others_may_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tokens.toml");
        read(&path, &[]).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(read(&path, &[]), Err(TokenError::Open { .. })));
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(matches!(read(&link, &[]), Err(TokenError::Io { .. })));
        std::fs::write(dir.path().join("short"), "[[token]]\nname='a'\nsecret='1234'\n").unwrap();
        let short = dir.path().join("short");
        std::fs::set_permissions(&short, std::fs::Permissions::from_mode(0o600)).unwrap();
        let error = read(&short, &[]).unwrap_err().to_string();
        assert!(error.contains("short") && !error.contains("1234"), "{error}");
    }
}
