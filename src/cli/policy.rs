//! `retain policy`: everything about a policy that needs no root.

mod diff;

use super::context::{self, Context};
use super::exit::Exit;
use super::failure::Failure;
use crate::config;
use crate::core::name::natural_cmp;
use crate::core::policy::{self, Loaded, PolicyTest, TestResult};
use crate::report::{diagnostic, github, human, junit, sanitize};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use walkdir::WalkDir;

#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// All faults of policy files, each with its place and remedy
    Check(CheckArgs),
    /// Run the [[test]] tables of policy files
    Test(TestArgs),
    /// What another policy would delete or keep that this one does not
    Diff(diff::DiffArgs),
    /// The effective policy: every default filled in, and where each value came from
    Show(One),
    /// The JSON schema of policy files, for editors
    Schema,
    /// Begin a policy: print a commented one, or write it to FILE
    New(One),
}

#[derive(Debug, Args)]
pub struct Files {
    /// Policy files, or directories of them (every *.toml below); none: the policy in force here
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub struct CheckArgs {
    #[command(flatten)]
    files: Files,

    /// How faults are written
    #[arg(long, value_name = "FORMAT", default_value = "text", conflicts_with = "json")]
    format: CheckFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum CheckFormat {
    /// Drawn for people
    Text,
    /// Workflow commands on stdout, which GitHub shows beside the lines of a change
    Github,
}

#[derive(Debug, Args)]
pub struct TestArgs {
    #[command(flatten)]
    files: Files,

    /// Write the results as JUnit XML as well
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct One {
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
}

pub fn run(context: &Context, command: &PolicyCommand) -> Result<Exit, Failure> {
    match command {
        PolicyCommand::Check(args) => check(context, args),
        PolicyCommand::Test(args) => test(context, args),
        PolicyCommand::Diff(args) => diff::run(context, args),
        PolicyCommand::Show(args) => show(context, args),
        PolicyCommand::Schema => {
            context.ui.out(&policy::schema())?;
            Ok(Exit::Done)
        }
        PolicyCommand::New(args) => new(context, args),
    }
}

/// One policy file, read and checked.
struct Checked {
    source: String,
    text: String,
    loaded: Loaded,
}

/// A file, or a directory of them, that cannot be read.
struct Unread {
    source: String,
    failure: Failure,
}

/// All of them, for who needs them all.
fn read(context: &Context, files: &[PathBuf]) -> Result<Vec<Checked>, Failure> {
    let each = read_each(context, files)?;
    each.into_iter().map(|file| file.map_err(|unread| unread.failure)).collect()
}

/// Each file that is named, read or not.
///
/// # Errors
/// None is named, and the policy in force cannot be read.
fn read_each(
    context: &Context,
    files: &[PathBuf],
) -> Result<Vec<Result<Checked, Unread>>, Failure> {
    let checked = |source: String, text: String| {
        let mut loaded = policy::load(&text);
        let expired = loaded.expired(context.now);
        loaded.diagnostics.extend(expired);
        Checked { source, text, loaded }
    };
    if files.is_empty() {
        let (source, text) = context.policy_text()?;
        return Ok(vec![Ok(checked(source, text))]);
    }
    let mut all = Vec::new();
    for named in files {
        let unread = |path: &Path, failure| Err(Unread { source: context::shown(path), failure });
        match expand(named) {
            Ok(found) => all.extend(found.iter().map(|file| {
                match within(named, file).and_then(|()| context::read_text(file)) {
                    Ok(text) => Ok(checked(context::shown(file), text)),
                    Err(failure) => unread(file, failure),
                }
            })),
            Err(failure) => all.push(unread(named, failure)),
        }
    }
    Ok(all)
}

/// The file itself, or the policy files of a directory in natural order.
fn expand(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    for entry in WalkDir::new(path) {
        let entry = entry.map_err(|e| {
            let what = format!("cannot read {}", context::shown(path));
            Failure::new(Exit::Usage, anyhow::Error::new(e).context(what))
        })?;
        let is_toml = entry.path().extension().is_some_and(|e| e == "toml");
        if is_toml && !entry.file_type().is_dir() && entry.file_name() != config::FILE {
            found.push(entry.into_path());
        }
    }
    if found.is_empty() {
        return Err(Failure::usage(format!("no policy files in {}", context::shown(path)))
            .help("their names end in .toml"));
    }
    found.sort_by(|a, b| natural_cmp(&context::shown(a), &context::shown(b)));
    Ok(found)
}

/// A directory may be what somebody else has sent: a symlink in it is read only if it leads to what
/// is in it as well, because faults are shown with the lines they are in.
///
/// # Errors
/// It leads elsewhere. Passing over it would pass what nobody has checked.
fn within(named: &Path, file: &Path) -> Result<(), Failure> {
    if named == file || !file.is_symlink() {
        return Ok(());
    }
    // What leads nowhere is found out by reading it.
    let (Ok(folder), Ok(target)) = (named.canonicalize(), file.canonicalize()) else {
        return Ok(());
    };
    if target.starts_with(folder) {
        return Ok(());
    }
    let (file, folder) = (context::shown(file), context::shown(named));
    Err(Failure::usage(format!("{file} is a symlink that leads out of {folder}; it was not read"))
        .help("put the policy itself there, or name the file that it leads to"))
}

fn check(context: &Context, args: &CheckArgs) -> Result<Exit, Failure> {
    let mut exit = Exit::Done;
    let mut files = Vec::new();
    for file in &read_each(context, &args.files.files)? {
        let c = match file {
            Ok(checked) => checked,
            Err(unread) => {
                exit = exit.and(unread.failure.exit);
                files.extend(said_unread(context, args, unread)?);
                continue;
            }
        };
        exit = exit.and_if(c.loaded.has_errors(), Exit::Usage);
        let faults = &c.loaded.diagnostics;
        if context.ui.json {
            files.push(json!({
                "file": c.source,
                "valid": !c.loaded.has_errors(),
                "diagnostics": diagnostic::json(&c.source, &c.text, faults),
            }));
        } else if args.format == CheckFormat::Github {
            context.ui.out(&github::annotations(&c.source, &c.text, faults))?;
        } else if faults.is_empty() {
            context.ui.note(diagnostic::summary(&c.source, faults));
        } else {
            let shown = sanitize::terminal(&c.source);
            context.ui.err(&diagnostic::render(&shown, &c.text, faults, true));
        }
    }
    if context.ui.json {
        context.ui.json(&json!({"format": "retain-policy-check/1", "files": files}))?;
    }
    Ok(exit)
}

/// Says that there is no text to check; for JSON, what stands in the file's place.
fn said_unread(
    context: &Context,
    args: &CheckArgs,
    unread: &Unread,
) -> Result<Option<Value>, Failure> {
    let Unread { source, failure } = unread;
    if context.ui.json {
        let error = failure.chain();
        return Ok(Some(
            json!({ "file": source, "valid": false, "error": error, "diagnostics": [] }),
        ));
    }
    if args.format == CheckFormat::Github {
        context.ui.out(&github::unreadable(source, &failure.chain()))?;
    } else {
        context.ui.failure(failure);
    }
    Ok(None)
}

/// The file's policy, or all of its faults.
fn valid<'a>(context: &Context, c: &'a Checked) -> Result<&'a policy::Policy, Failure> {
    if let Some(policy) = &c.loaded.policy {
        return Ok(policy);
    }
    let shown = sanitize::terminal(&c.source);
    context.ui.err(&diagnostic::render(&shown, &c.text, &c.loaded.diagnostics, true));
    Err(Failure::usage(format!("{} is not a valid policy", c.source)))
}

fn test(context: &Context, args: &TestArgs) -> Result<Exit, Failure> {
    let checked = read(context, &args.files.files)?;
    let mut out = String::new();
    let (mut results, mut cases) = (Vec::new(), Vec::new());
    let mut failed = 0;
    for c in &checked {
        let policy = valid(context, c)?;
        for test in &c.loaded.tests {
            let result = test.run(policy);
            failed += u64::from(!result.passed());
            results.push(json!({
                "file": c.source, "line": test.line, "test": test.name, "passed": result.passed(),
                "failures": failures(test, &result),
            }));
            let verdict = if result.passed() { "ok  " } else { "FAIL" };
            let place = format!("{verdict} {}:{} {}", c.source, test.line, test.name);
            let _ = writeln!(out, "{}", sanitize::terminal(&place));
            let failures = failures(test, &result);
            let texts = failures.iter().filter_map(|f| f["text"].as_str());
            for text in texts.clone() {
                let _ = writeln!(out, "     {}", sanitize::terminal(text));
            }
            cases.push(junit::Case {
                file: c.source.clone(),
                line: test.line,
                name: test.name.to_string(),
                failures: texts.map(str::to_owned).collect(),
            });
        }
    }
    if let Some(path) = &args.junit {
        std::fs::write(path, junit::render(&cases)).map_err(|e| {
            let what = format!("cannot write the results to {}", context::shown(path));
            Failure::from(anyhow::Error::new(e).context(what))
        })?;
    }
    if context.ui.json {
        context.ui.json(&json!({"format": "retain-policy-test/1", "tests": results}))?;
    } else {
        let total = human::count(results.len() as u64, "test");
        let _ = writeln!(out, "{total}, {failed} failed");
        context.ui.out(&out)?;
    }
    Ok(Exit::Done.and_if(failed > 0, Exit::Usage))
}

fn failures(test: &PolicyTest, result: &TestResult) -> Vec<Value> {
    let one = |f: &policy::Failure| {
        let session = &test.inventory.sessions[f.session];
        let id = &session.checkpoints[f.checkpoint].id;
        let (wanted, got) =
            if f.should_survive { ("survives", "is deleted") } else { ("is deleted", "survives") };
        json!({
            "session": session.name, "id": id, "should_survive": f.should_survive,
            "text": format!("{id} of {} {got}; the test says that it {wanted}", session.name),
        })
    };
    result.failures.iter().map(one).collect()
}

fn show(context: &Context, args: &One) -> Result<Exit, Failure> {
    let files: Vec<PathBuf> = args.file.iter().cloned().collect();
    for c in &read(context, &files)? {
        let policy = valid(context, c)?;
        let text = policy::show(policy, &c.loaded.origins);
        if context.ui.json {
            let value =
                json!({"format": "retain-policy-show/1", "source": c.source, "policy": text});
            context.ui.json(&value)?;
        } else {
            context.ui.note(format!("policy: {}", c.source));
            context.ui.out(&text)?;
        }
    }
    Ok(Exit::Done)
}

fn new(context: &Context, args: &One) -> Result<Exit, Failure> {
    let Some(path) = &args.file else {
        context.ui.out(policy::STARTER)?;
        return Ok(Exit::Done);
    };
    create(path).map_err(|e| {
        let exists = e.kind() == std::io::ErrorKind::AlreadyExists;
        let what = format!("cannot write {}", context::shown(path));
        let failure = Failure::new(
            if exists { Exit::Usage } else { Exit::Error },
            anyhow::Error::new(e).context(what),
        );
        if exists { failure.help("name a file that is not there yet") } else { failure }
    })?;
    let shown = context::shown(path);
    context.ui.note(format!("wrote {shown}; `retain plan --policy {shown}` shows what it does"));
    Ok(Exit::Done)
}

/// Never overwrites: a policy is somebody's decision.
fn create(path: &Path) -> std::io::Result<()> {
    let mut file = std::fs::File::options().write(true).create_new(true).open(path)?;
    file.write_all(policy::STARTER.as_bytes())
}
