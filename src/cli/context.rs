//! What a command works with: the arguments of every command, looked up once.

use super::args::Global;
use super::exit::Exit;
use super::failure::Failure;
use super::machine;
use super::shell;
use super::signal::Signals;
use super::ui::Ui;
use crate::apply::root::{Root, RootError};
use crate::apply::{self, ApplyError, RunSummary};
use crate::config::trusted::{self, ReadError, Trust};
use crate::config::{Config, ConfigError};
use crate::core::declared::Definition;
use crate::core::model::Time;
use crate::core::name;
use crate::core::policy::{self, Policy};
use crate::report::{diagnostic, sanitize};
use crate::steps::DEFAULT_SOURCE;
use crate::steps::see::{self, DeclaredError};
use std::cell::{Cell, OnceCell};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

const INVALID_LAYOUTS: &str = "declares layouts that are not valid";

pub struct Context {
    pub ui: Ui,
    pub signals: Signals,
    /// What decisions refer to: `--now`, or the machine's clock.
    pub now: Time,
    /// `--now` was given.
    fixed: bool,
    /// `--threads`.
    pub threads: Option<usize>,
    /// `--no-index`.
    pub no_index: bool,
    /// How long to wait for another run to end, if not the usual time.
    pub lock_wait: Option<Duration>,
    root: Option<PathBuf>,
    /// Which root a plan chose, where no argument did.
    planned: OnceCell<PathBuf>,
    policy: Option<PathBuf>,
    confined: Cell<bool>,
    /// The policy in force, source and text: read once, so that what is recognised and what is
    /// decided come from the same text.
    policy_text: OnceCell<(String, String)>,
}

/// A policy and where it came from.
pub struct InForce {
    pub policy: Policy,
    pub text: String,
    /// Its file, or `embedded default`.
    pub source: String,
    /// Nobody chose it.
    pub is_default: bool,
}

impl Context {
    /// # Errors
    /// The system refuses signal handlers.
    pub fn new(global: &Global) -> Result<Context, Failure> {
        Ok(Context {
            ui: Ui::new(global),
            signals: Signals::install()?,
            now: global.now.unwrap_or_else(machine::time),
            fixed: global.now.is_some(),
            threads: global.threads.map(usize::from),
            no_index: global.no_index,
            lock_wait: None,
            root: global.root.clone(),
            planned: OnceCell::new(),
            policy: global.policy.clone(),
            confined: Cell::new(false),
            policy_text: OnceCell::new(),
        })
    }

    /// Looks at the clock again, for a command that made files after it began; `--now` stays.
    pub fn look_at_clock(&mut self) {
        if !self.fixed {
            self.now = machine::time();
        }
    }

    /// As if `--root` had named it.
    pub fn work_on(&mut self, root: &Path) {
        self.root = Some(root.to_path_buf());
    }

    /// A plan works on this root, which neither an argument nor where we are may lead to: commands for
    /// afterwards have to name it.
    pub fn is_planned_on(&self, root: &Root) {
        let _ = self.planned.set(root.path.clone());
    }

    /// The runs of a root, and what of them could not be read, looked for on as many threads as was
    /// asked for.
    ///
    /// # Errors
    /// As [`apply::runs`].
    pub fn runs(&self, root: &Root) -> Result<(Vec<RunSummary>, Vec<String>), ApplyError> {
        apply::runs(root, self.threads.unwrap_or(0))
    }

    /// A command for a person to run next, on the root that this one worked on.
    pub fn command(&self, rest: &str) -> String {
        match self.planned.get().or(self.root.as_ref()) {
            Some(root) => format!("retain -C {} {rest}", shell::quoted(&shown(root))),
            None => format!("retain {rest}"),
        }
    }

    /// The policy file that `--policy` named, made absolute.
    pub fn named_policy(&self) -> Option<PathBuf> {
        let path = self.policy.as_ref()?;
        Some(std::path::absolute(path).unwrap_or_else(|_| path.clone()))
    }

    /// Before anything is changed: the kernel is asked to refuse changes outside the root.
    pub fn confine(&self, root: &Root) {
        if self.confined.replace(true) {
            return;
        }
        self.ui.detail(match apply::confine(root) {
            Ok(()) => "confined by Landlock: nothing outside the root can be removed or renamed"
                .to_owned(),
            Err(e) => format!("not confined by Landlock, which needs Linux 5.19: {e}"),
        });
    }

    /// The root to work on and its settings; neither is opened.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn config(&self) -> Result<Config, Failure> {
        self.config_of(None)
    }

    /// `--policy`.
    pub fn policy_override(&self) -> Option<PathBuf> {
        self.policy.clone()
    }

    /// The time, whenever it is asked for; `--now` stays.
    pub fn clock(&self) -> Arc<dyn Fn() -> Time + Send + Sync> {
        let (fixed, now) = (self.fixed, self.now);
        Arc::new(move || if fixed { now } else { machine::time() })
    }

    /// All roots that the settings name, for a command that works on several.
    ///
    /// # Errors
    /// As [`Context::config`].
    pub fn configs(&self) -> Result<Vec<Config>, Failure> {
        match self.config() {
            Ok(config) => Ok(vec![config]),
            Err(failure) => match failure.error.downcast_ref::<ConfigError>() {
                Some(ConfigError::SeveralRoots { list, .. }) => {
                    list.iter().map(|root| self.config_of(Some(root))).collect()
                }
                _ => Err(failure),
            },
        }
    }

    /// As [`Context::config`], but of this directory if one is given.
    ///
    /// # Errors
    /// As [`Context::config`].
    pub fn config_of(&self, directory: Option<&Path>) -> Result<Config, Failure> {
        let cwd = machine::working_directory()
            .map_err(|e| anyhow::Error::new(e).context("cannot tell the working directory"))?;
        let trust = Trust::of_process();
        let given = directory.or(self.root.as_deref());
        let config = Config::find(given, &cwd, trust).map_err(|e| match e {
            ConfigError::Untrusted(e) => untrusted(e),
            ConfigError::Layouts { path, text, faults } => {
                self.faulty(&path, &text, &faults, INVALID_LAYOUTS)
            }
            ConfigError::Exclude { path, text, faults } => {
                self.faulty(&path, &text, &faults, "excludes what no path below a root can be")
            }
            ConfigError::EmptyRoot => Failure::new(Exit::Refused, e)
                .help("a variable may be unset; name a directory that holds training runs"),
            e => Failure::new(Exit::Usage, e),
        })?;
        self.ui.detail(format!("root: {} ({})", shown(&config.root), config.how.as_str()));
        if let Some(file) = &config.file {
            self.ui.detail(format!("settings: {}", shown(file)));
        }
        Ok(config)
    }

    /// Settings for a command that reads no root.
    ///
    /// # Errors
    /// As [`Context::config`], if there are settings at all.
    pub fn config_without_root(&self) -> Result<Config, Failure> {
        match &self.policy {
            Some(_) => Ok(Config::default()),
            None => self.config(),
        }
    }

    /// Reads the policy in force: `--policy`, else the settings', else the embedded one.
    ///
    /// # Errors
    /// It cannot be read, or has faults; all of them are said.
    pub fn policy(&self, config: &Config) -> Result<InForce, Failure> {
        let (source, text) = self.text_in_force(config)?;
        self.loaded(source, text)
    }

    /// A policy that was read already.
    ///
    /// # Errors
    /// It has faults; all of them are said.
    pub fn loaded(&self, source: String, text: String) -> Result<InForce, Failure> {
        let mut loaded = policy::load(&text);
        let expired = loaded.expired(self.now);
        loaded.diagnostics.extend(expired);
        if loaded.has_errors() || !self.ui.quiet {
            let shown = sanitize::terminal(&source);
            self.ui.err(&diagnostic::render(&shown, &text, &loaded.diagnostics, true));
        }
        match loaded.policy {
            Some(policy) => {
                let is_default = source == DEFAULT_SOURCE;
                Ok(InForce { policy, text, source, is_default })
            }
            None => Err(Failure::usage(format!("{source} is not a valid policy"))
                .help("docs/errors.md has a page for each code; nothing was read from the root")),
        }
    }

    /// Where the policy in force comes from, and its text, faulty or not.
    ///
    /// # Errors
    /// It cannot be read, or `retain.toml` is wrong.
    pub fn policy_text(&self) -> Result<(String, String), Failure> {
        self.text_in_force(&self.config_without_root()?)
    }

    fn text_in_force(&self, config: &Config) -> Result<(String, String), Failure> {
        if let Some(known) = self.policy_text.get() {
            return Ok(known.clone());
        }
        let read = match self.policy.as_ref().or(config.policy.as_ref()) {
            Some(path) => (shown(path), read_policy(path)?),
            None => (DEFAULT_SOURCE.to_owned(), policy::DEFAULT.to_owned()),
        };
        Ok(self.policy_text.get_or_init(|| read).clone())
    }

    /// The layouts that are declared in the settings and in the policy in force.
    ///
    /// # Errors
    /// The policy cannot be read, one of its `[[layout]]` tables has faults, which are said, or
    /// both declare a layout of the same name.
    pub fn declared(&self, config: &Config) -> Result<Vec<Definition>, Failure> {
        let (source, text) = self.text_in_force(config)?;
        self.declared_with(config, &source, &text)
    }

    /// As [`Context::declared`], as if this policy were in force.
    ///
    /// # Errors
    /// As [`Context::declared`].
    pub fn declared_with(
        &self,
        config: &Config,
        source: &str,
        text: &str,
    ) -> Result<Vec<Definition>, Failure> {
        see::declared(config, text).map_err(|e| match e {
            DeclaredError::Faults(faults) => self.faulty(source, text, &faults, INVALID_LAYOUTS),
            DeclaredError::Twice(name) => {
                let file = config.file.as_deref().map_or_else(String::new, shown);
                Failure::usage(format!("{file} and {source} both declare a layout `{name}`"))
                    .help("keep one of them, or give it another name")
            }
        })
    }

    /// Whether the index of the last scan may be used: not if the policy in force goes by bytes. A
    /// faulty one does not, for it decides nothing.
    ///
    /// # Errors
    /// The policy cannot be read.
    pub fn may_use_index(&self, config: &Config) -> Result<bool, Failure> {
        if self.no_index {
            return Ok(false);
        }
        let (_, text) = self.text_in_force(config)?;
        Ok(!policy::load(&text).policy.is_some_and(|policy| policy.counts_bytes()))
    }

    /// Draws the faults of a file, which are why it does what it must not.
    fn faulty(
        &self,
        source: &str,
        text: &str,
        faults: &[policy::Diagnostic],
        does: &str,
    ) -> Failure {
        self.ui.err(&diagnostic::render(&sanitize::terminal(source), text, faults, true));
        Failure::usage(format!("{source} {does}"))
            .help("docs/errors.md has a page for each code; nothing was read from the root")
    }

    /// As [`Context::policy`], and says so when nobody chose it.
    ///
    /// # Errors
    /// As [`Context::policy`].
    pub fn announced_policy(&self, config: &Config) -> Result<InForce, Failure> {
        let policy = self.policy(config)?;
        if policy.is_default {
            self.ui.note(
                "no policy given: using the embedded default (`retain policy show`, `retain policy new`)",
            );
        }
        Ok(policy)
    }
}

/// Opens a root, which refuses what must never be cleaned.
///
/// # Errors
/// See [`RootError`].
pub fn open(path: &Path) -> Result<Root, Failure> {
    Root::open(path, machine::home().as_deref()).map_err(root_failure)
}

/// A directory that is not there is a typing mistake; one that must not be cleaned is refused.
pub fn root_failure(error: RootError) -> Failure {
    let exit = match error {
        RootError::Missing { .. } | RootError::NotADirectory { .. } => Exit::Usage,
        RootError::Io { .. } => Exit::Error,
        _ => Exit::Refused,
    };
    Failure::new(exit, error)
}

/// I16: a policy that is going to be followed.
fn read_policy(path: &Path) -> Result<String, Failure> {
    trusted::read(path, Trust::of_process()).map_err(|e| match e {
        ReadError::Io(e) => unreadable(path, e),
        e @ ReadError::Untrusted { .. } => untrusted(e),
    })
}

/// I16: what to do about a file that root cannot follow.
pub fn untrusted(error: ReadError) -> Failure {
    let help = match &error {
        ReadError::Untrusted { path, .. } => format!(
            "`chown root {path}` and `chmod go-w {path}` if all that is in it is meant, or run as the user it belongs to"
        ),
        ReadError::Io(_) => String::new(),
    };
    Failure::new(Exit::Refused, error).help(help)
}

/// # Errors
/// The file is not there, cannot be read, or is not UTF-8: exit code 2, for a person named it.
pub fn read_text(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|e| unreadable(path, e))
}

fn unreadable(path: &Path, error: std::io::Error) -> Failure {
    let what = format!("cannot read {}", shown(path));
    let is_text = error.kind() != std::io::ErrorKind::InvalidData;
    let failure = Failure::new(Exit::Usage, anyhow::Error::new(error).context(what));
    if is_text { failure } else { failure.help("a policy is text; save it as UTF-8") }
}

/// A path as text, losing nothing.
pub fn shown(path: &Path) -> String {
    name::encode(path.as_os_str().as_encoded_bytes()).into_owned()
}
