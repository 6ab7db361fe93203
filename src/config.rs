//! Which root a command works on, and the settings that come with it (`retain.toml`).
//!
//! A deletion tool must not guess where it is. The rules, in this order: `--root` or `RETAIN_ROOT`;
//! the nearest `retain.toml` or `.retain/root.toml` in the working directory or above; the working
//! directory itself. Whoever stands in one of several roots means that one. Settings belong to the
//! root: a `retain.toml` counts if it stands at or above the root, or if it names it.

pub mod trusted;

use crate::core::declared::Definition;
use crate::core::policy::{self, Diagnostic};
use crate::scan::Owner;
use rustix::io::retry_on_intr;
use serde::Deserialize;
use std::io;
use std::path::{Path, PathBuf};
use trusted::{ReadError, Trust};

/// The file that holds settings.
pub const FILE: &str = "retain.toml";

/// A root, and the settings that hold for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    pub root: PathBuf,
    /// How the root was found; a fragment for `-v`.
    pub how: How,
    /// The `retain.toml` that was read.
    pub file: Option<PathBuf>,
    pub policy: Option<PathBuf>,
    /// Whom a monitor tells what.
    pub monitor: Option<PathBuf>,
    pub owner: Owner,
    /// Globs of paths below the root that no scan enters.
    pub exclude: Vec<String>,
    /// Layouts of one's own.
    pub layouts: Vec<Definition>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum How {
    Given,
    Settings,
    Marked,
    #[default]
    WorkingDirectory,
}

impl How {
    pub fn as_str(self) -> &'static str {
        match self {
            How::Given => "given by --root or RETAIN_ROOT",
            How::Settings => "from retain.toml",
            How::Marked => "from .retain/root.toml",
            How::WorkingDirectory => "the working directory",
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("the root is empty")]
    EmptyRoot,
    #[error("cannot read {path}")]
    Read { path: String, source: io::Error },
    /// To take it for absent would be to drop what it excludes, and to follow another policy.
    #[error(
        "{path} is a symlink to {target}, which is not there; bring that back, or remove the symlink if no settings are meant"
    )]
    Dangling { path: String, target: String },
    #[error(transparent)]
    Untrusted(ReadError),
    #[error("{path} is not valid:\n{source}")]
    Syntax { path: String, source: toml::de::Error },
    #[error(
        "{path}: owner = \"{value}\" is not known; write \"path:1\" (a component of the name) or \"uid\""
    )]
    Owner { path: String, value: String },
    #[error(
        "{path}: roots is empty; name a directory, or leave it out for the one that holds the file"
    )]
    NoRoots { path: String },
    /// All faults of the `[[layout]]` tables, and the text they stand in.
    #[error("{path} declares a layout that is not valid")]
    Layouts { path: String, text: String, faults: Vec<Diagnostic> },
    /// All globs of `exclude` that exclude nothing, and the text they stand in.
    #[error("{path} excludes what no path below a root can be")]
    Exclude { path: String, text: String, faults: Vec<Diagnostic> },
    #[error("{path} has several roots; choose one with --root: {roots}")]
    SeveralRoots { path: String, roots: String, list: Vec<PathBuf> },
}

/// `retain.toml` as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    roots: Option<Vec<PathBuf>>,
    policy: Option<PathBuf>,
    monitor: Option<PathBuf>,
    owner: Option<String>,
    #[serde(default)]
    exclude: Vec<String>,
    /// Read as those of policies are, with all of their faults.
    #[serde(default, rename = "layout")]
    _layout: serde::de::IgnoredAny,
}

struct Settings {
    file: PathBuf,
    /// Absolute or relative to the working directory; at least one.
    roots: Vec<PathBuf>,
    policy: Option<PathBuf>,
    monitor: Option<PathBuf>,
    owner: Owner,
    exclude: Vec<String>,
    layouts: Vec<Definition>,
}

impl Config {
    /// Finds the root and its settings, from `given` or from `cwd` upwards.
    ///
    /// The root itself is neither opened nor checked.
    ///
    /// # Errors
    /// An empty `given`, a `retain.toml` that cannot be read, is wrong or not to be trusted, or one
    /// that leaves open which of its roots is meant.
    pub fn find(given: Option<&Path>, cwd: &Path, trust: Trust) -> Result<Config, ConfigError> {
        if let Some(given) = given {
            if given.as_os_str().is_empty() {
                return Err(ConfigError::EmptyRoot);
            }
            return Config::for_root(cwd.join(given), How::Given, cwd, trust);
        }
        for dir in cwd.ancestors() {
            if let Some(settings) = Settings::read(dir, trust)? {
                let root = settings.root_for(cwd)?;
                return Ok(settings.with(root, How::Settings));
            }
            // Whatever lies there: what is no marker is refused when the root is opened.
            if look(&dir.join(".retain/root.toml")).is_ok() {
                return Config::for_root(dir.to_owned(), How::Marked, cwd, trust);
            }
        }
        Ok(Config { root: cwd.to_owned(), ..Config::default() })
    }

    /// A root that is settled, with the settings that belong to it.
    fn for_root(root: PathBuf, how: How, cwd: &Path, trust: Trust) -> Result<Config, ConfigError> {
        for dir in root.ancestors() {
            if let Some(settings) = Settings::read(dir, trust)? {
                return Ok(settings.with(root, how));
            }
        }
        let same = |a: &Path| match (a.canonicalize(), root.canonicalize()) {
            (Ok(a), Ok(b)) => a == b,
            _ => false,
        };
        for dir in cwd.ancestors() {
            if let Some(settings) = Settings::read(dir, trust)?
                && settings.roots.iter().any(|r| same(r))
            {
                return Ok(settings.with(root, how));
            }
        }
        Ok(Config { root, how, ..Config::default() })
    }
}

/// What stands there itself; a link is not followed. An interrupted look is no answer (F10).
fn look(path: &Path) -> io::Result<rustix::fs::Stat> {
    Ok(retry_on_intr(|| rustix::fs::lstat(path))?)
}

impl Settings {
    /// The settings in `dir`, if it has any.
    fn read(dir: &Path, trust: Trust) -> Result<Option<Settings>, ConfigError> {
        let file = dir.join(FILE);
        let path = display(&file);
        // Nothing there, or above a file: then nothing on the way needs to be trusted either.
        let absent = |e: &io::Error| {
            matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
        };
        if look(&file).is_err_and(|e| absent(&e)) {
            return Ok(None);
        }
        let text = match trusted::read(&file, trust) {
            Ok(text) => text,
            Err(ReadError::Io(e)) if absent(&e) && file.is_symlink() => {
                let target = std::fs::read_link(&file).as_deref().map(display).unwrap_or_default();
                return Err(ConfigError::Dangling { path, target });
            }
            Err(ReadError::Io(source)) => return Err(ConfigError::Read { path, source }),
            Err(e @ ReadError::Untrusted { .. }) => return Err(ConfigError::Untrusted(e)),
        };
        let raw: Raw = toml::from_str(&text)
            .map_err(|source| ConfigError::Syntax { path: path.clone(), source })?;
        let owner = match raw.owner.as_deref() {
            None => Owner::default(),
            Some(value) => Owner::parse(value).ok_or_else(|| ConfigError::Owner {
                path: path.clone(),
                value: value.to_owned(),
            })?,
        };
        let roots = match raw.roots {
            None => vec![dir.to_owned()],
            Some(roots) if roots.is_empty() => return Err(ConfigError::NoRoots { path }),
            Some(roots) if roots.iter().any(|r| r.as_os_str().is_empty()) => {
                return Err(ConfigError::EmptyRoot);
            }
            // `.` would leave a trailing `/.` in what is shown.
            Some(roots) => roots.iter().map(|r| dir.join(r).components().collect()).collect(),
        };
        let (layouts, faults) = policy::layouts(&text);
        if faults.iter().any(Diagnostic::is_error) {
            return Err(ConfigError::Layouts { path, text, faults });
        }
        let faults = policy::exclusions(&text);
        if !faults.is_empty() {
            return Err(ConfigError::Exclude { path, text, faults });
        }
        Ok(Some(Settings {
            layouts,
            policy: raw.policy.map(|p| dir.join(p)),
            monitor: raw.monitor.map(|p| dir.join(p)),
            owner,
            exclude: raw.exclude,
            roots,
            file,
        }))
    }

    /// The only root, or the one of several that `cwd` lies in.
    fn root_for(&self, cwd: &Path) -> Result<PathBuf, ConfigError> {
        let holds = |root: &&PathBuf| cwd.starts_with(root);
        let inside = self.roots.iter().filter(holds).max_by_key(|r| r.components().count());
        match (self.roots.as_slice(), inside) {
            ([one], _) | (_, Some(one)) => Ok(one.clone()),
            (several, None) => {
                let roots: Vec<_> = several.iter().map(|r| display(r)).collect();
                let path = display(&self.file);
                let list = several.to_vec();
                Err(ConfigError::SeveralRoots { path, roots: roots.join(", "), list })
            }
        }
    }

    fn with(self, root: PathBuf, how: How) -> Config {
        Config {
            root,
            how,
            file: Some(self.file),
            policy: self.policy,
            monitor: self.monitor,
            owner: self.owner,
            exclude: self.exclude,
            layouts: self.layouts,
        }
    }
}

fn display(path: &Path) -> String {
    crate::core::name::encode(path.as_os_str().as_encoded_bytes()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn storage() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("a/runs/team/x")).unwrap();
        fs::create_dir_all(dir.path().join("b/.retain")).unwrap();
        dir
    }

    #[test]
    fn nothing_declared_means_here() {
        let dir = storage();
        let cwd = dir.path().join("a/runs");
        let config = Config::find(None, &cwd, Trust::Anybody).unwrap();
        assert_eq!((config.root, config.how, config.file), (cwd, How::WorkingDirectory, None));
    }

    #[test]
    fn the_nearest_declaration_wins() {
        let dir = storage();
        let a = dir.path().join("a");
        fs::write(a.join(FILE), "roots = [\"runs\"]\npolicy = \"p.toml\"\nowner = \"path:2\"")
            .unwrap();
        let config = Config::find(None, &a.join("runs/team/x"), Trust::Anybody).unwrap();
        assert_eq!(config.root, a.join("runs"));
        assert_eq!(config.policy, Some(a.join("p.toml")));
        assert_eq!(Some(config.owner), Owner::parse("path:2"));

        fs::create_dir_all(a.join("runs/team/.retain")).unwrap();
        fs::write(a.join("runs/team/.retain/root.toml"), "").unwrap();
        let config = Config::find(None, &a.join("runs/team/x"), Trust::Anybody).unwrap();
        assert_eq!((config.root, config.how), (a.join("runs/team"), How::Marked));
    }

    /// A declared root is nearer than the settings above it; it is theirs all the same.
    #[test]
    fn a_marked_root_has_the_settings_above_it() {
        let dir = storage();
        let a = dir.path().join("a");
        fs::create_dir_all(a.join("runs/.retain")).unwrap();
        fs::write(a.join("runs/.retain/root.toml"), "").unwrap();
        let below = || Config::find(None, &a.join("runs/team/x"), Trust::Anybody).unwrap();
        assert_eq!((below().how, below().file), (How::Marked, None));
        fs::write(
            a.join(FILE),
            "roots = [\"runs\", \"other\"]\npolicy = \"p.toml\"\nowner = \"path:2\"\nexclude = [\"data\"]",
        )
        .unwrap();
        let config = below();
        assert_eq!((config.root, config.how), (a.join("runs"), How::Marked));
        assert_eq!(config.file, Some(a.join(FILE)));
        assert_eq!(config.policy, Some(a.join("p.toml")));
        assert_eq!(Some(config.owner), Owner::parse("path:2"));
        assert_eq!(config.exclude, ["data"]);
        assert_eq!(
            Config::find(None, &a.join("runs"), Trust::Anybody).unwrap().policy,
            Some(a.join("p.toml"))
        );
    }

    #[test]
    fn settings_belong_to_their_roots() {
        let dir = storage();
        let (a, b) = (dir.path().join("a"), dir.path().join("b"));
        fs::write(a.join(FILE), "roots = [\"runs\", \"../b\"]\nexclude = [\"data/**\"]").unwrap();
        let of = |root: &str, cwd: &Path| {
            Config::find(Some(Path::new(root)), cwd, Trust::Anybody).unwrap()
        };
        assert_eq!(of("runs", &a).exclude, ["data/**"]);
        assert_eq!(of("../b", &a).exclude, ["data/**"], "it is named there");
        assert_eq!(of("../b", &b).file, None, "nothing above knows it");
        assert_eq!(of(a.join("runs").to_str().unwrap(), &b).exclude, ["data/**"]);
        let several = Config::find(None, &a, Trust::Anybody).unwrap_err();
        assert!(several.to_string().contains("--root"), "{several}");
        let inside = Config::find(None, &a.join("runs/team"), Trust::Anybody).unwrap();
        assert_eq!(inside.root, a.join("runs"), "who stands in one of them means it");
    }

    #[test]
    fn faults_are_said() {
        let dir = storage();
        let a = dir.path().join("a");
        assert!(matches!(
            Config::find(Some(Path::new("")), &a, Trust::Anybody),
            Err(ConfigError::EmptyRoot)
        ));
        for (text, part) in [
            ("policy = 3", "expected"),
            ("polcy = \"x\"", "unknown field"),
            ("owner = \"path:0\"", "path:1"),
            ("owner = \"gid\"", "uid"),
            ("roots = []", "roots is empty"),
            ("roots = [\"\"]", "the root is empty"),
        ] {
            fs::write(a.join(FILE), text).unwrap();
            let error = Config::find(None, &a, Trust::Anybody).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
