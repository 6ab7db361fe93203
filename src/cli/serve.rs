//! `retain serve`: the Storage Management page.

use super::context::{self, Context};
use super::exit::Exit;
use super::failure::Failure;
use super::machine;
use crate::config::Config;
use crate::serve::{self, Address, Options, Ready, ServeError, SiteOptions};
use clap::Args;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Roots to serve; otherwise the one that every command would work on, or all that `retain.toml` names
    #[arg(value_name = "DIR")]
    pub roots: Vec<PathBuf>,

    /// Where to listen: an address with a port (0: a free one), or the path of a UNIX socket
    ///
    /// Anything but loopback and a socket needs a proxy in front that speaks TLS.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0", value_parser = parse_address)]
    pub listen: Address,

    /// What every path begins with, for a proxy that passes on a part of its paths
    #[arg(long, value_name = "PATH", default_value = "", value_parser = parse_prefix)]
    pub prefix: String,

    /// A `Host` to answer to besides loopback, as browsers send it (with its port, if it has one);
    /// may be repeated
    #[arg(long = "host", value_name = "HOST")]
    pub hosts: Vec<String>,

    /// Browsers reach it by https, which a proxy in front ends
    #[arg(long)]
    pub https: bool,

    /// Allow deleting, restoring, purging and marking; without it the page only shows
    #[arg(long)]
    pub allow_delete: bool,

    /// Run as root; what is deleted is still only what belongs to its session's owner
    #[arg(long)]
    pub allow_root: bool,

    /// The file with the tokens, made if it is not there [default: in the user's state directory]
    #[arg(long, value_name = "FILE")]
    pub tokens: Option<PathBuf>,

    /// The file that gets a line for each change [default: beside the tokens]
    #[arg(long, value_name = "FILE")]
    pub audit: Option<PathBuf>,

    /// Make a token, and print a link, for this owner, who sees only their own sessions; may be
    /// repeated
    #[arg(long = "owner", value_name = "OWNER")]
    pub owners: Vec<String>,

    /// Seconds between two scans that nobody asked for
    #[arg(long, value_name = "SECONDS", default_value_t = 600, value_parser = clap::value_parser!(u64).range(5..=86_400))]
    pub refresh: u64,
}

/// What `retain serve` does without any argument.
impl Default for ServeArgs {
    fn default() -> ServeArgs {
        ServeArgs {
            roots: Vec::new(),
            listen: Address::Tcp(SocketAddr::from(([127, 0, 0, 1], 0))),
            prefix: String::new(),
            hosts: Vec::new(),
            https: false,
            allow_delete: false,
            allow_root: false,
            tokens: None,
            audit: None,
            owners: Vec::new(),
            refresh: 600,
        }
    }
}

pub fn run(context: &Context, args: &ServeArgs) -> Result<Exit, Failure> {
    // W11: a web server that may delete everything is not what anybody wants by accident.
    if rustix::process::geteuid().is_root() && !args.allow_root {
        return Err(Failure::msg(Exit::Refused, "`retain serve` does not run as root").help(
            "run it as the user the sessions belong to; --allow-root if they belong to many",
        ));
    }
    if let Address::Tcp(address) = &args.listen
        && !address.ip().is_loopback()
        && !args.https
    {
        return Err(Failure::usage(format!("{address} can be reached from other machines"))
            .help("listen on 127.0.0.1 and let a proxy speak TLS; --https says that one does"));
    }
    let sites = configs(context, args)?
        .into_iter()
        .map(|config| {
            // What cannot be served at all is said now, not in a log.
            context::open(&config.root)?;
            let policy = context.policy_override();
            if policy.is_none() && config.policy.is_none() {
                context
                    .ui
                    .note("no policy given: using the embedded default (`retain policy show`)");
            }
            let threads = context.threads.and_then(NonZeroUsize::new);
            Ok(SiteOptions { config, policy, home: machine::home(), threads })
        })
        .collect::<Result<Vec<_>, Failure>>()?;
    let state = || {
        machine::state().ok_or_else(|| {
            Failure::usage("no place for the tokens: HOME is not set")
                .help("name one with --tokens")
        })
    };
    let tokens = match &args.tokens {
        Some(file) => file.clone(),
        None => state()?.join("serve-tokens.toml"),
    };
    let audit = args.audit.clone().unwrap_or_else(|| tokens.with_extension("audit.jsonl"));
    let critical = context.signals.critical();
    let options = Options {
        sites,
        address: args.listen.clone(),
        prefix: args.prefix.clone(),
        hosts: args.hosts.clone(),
        allow_delete: args.allow_delete,
        secure: args.https,
        tokens: tokens.clone(),
        audit,
        owners: args.owners.clone(),
        pause: Duration::from_secs(args.refresh),
        clock: context.clock(),
        stop: context.signals.flag(),
    };
    // W10: no core file of ours has a token in it.
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
    let served = serve::run(options, |ready| announce(context, args, &tokens, ready));
    drop(critical);
    served.map_err(|e| match e {
        ServeError::Token(_) => Failure::new(Exit::Refused, e),
        e => Failure::new(Exit::Error, e),
    })?;
    context.ui.note("stopped");
    Ok(Exit::Done)
}

fn announce(context: &Context, args: &ServeArgs, tokens: &std::path::Path, ready: &Ready) {
    let ui = &context.ui;
    for (name, link) in &ready.links {
        // A reader that went away does not end the server.
        let _ = ui.out(&format!("{name}: {link}\n"));
    }
    if ready.address.is_none() {
        ui.note("listening on a UNIX socket; the links are as a proxy in front would be reached");
    }
    ui.note(format!(
        "each link works once, within 15 minutes; the tokens are in {}",
        context::shown(tokens)
    ));
    if !args.allow_delete {
        ui.note("read-only; --allow-delete lets people delete from the page");
    }
}

/// The roots that are meant, each once.
fn configs(context: &Context, args: &ServeArgs) -> Result<Vec<Config>, Failure> {
    if args.roots.is_empty() {
        return context.configs();
    }
    args.roots.iter().map(|root| context.config_of(Some(root))).collect()
}

/// An address with a port, or a path.
pub fn parse_address(text: &str) -> Result<Address, String> {
    if text.contains('/') {
        return Ok(Address::Unix(PathBuf::from(text)));
    }
    text.parse().map(Address::Tcp).map_err(|_| {
        "write it as 127.0.0.1:8700, [::1]:8700, or the path of a socket with a / in it".to_owned()
    })
}

fn parse_prefix(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_/".contains(c);
    let tidy = text.trim_end_matches('/');
    if tidy.is_empty() || (tidy.starts_with('/') && !tidy.contains("//") && tidy.chars().all(plain))
    {
        return Ok(tidy.to_owned());
    }
    Err("write it as /retain, of letters, digits, - and _".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_prefixes() {
        assert!(matches!(parse_address("127.0.0.1:8700"), Ok(Address::Tcp(_))));
        assert!(matches!(parse_address("./retain.sock"), Ok(Address::Unix(_))));
        assert!(parse_address("localhost").is_err());
        assert_eq!(parse_prefix("/a/b/").as_deref(), Ok("/a/b"));
        assert_eq!(parse_prefix("/").as_deref(), Ok(""));
        assert!(parse_prefix("a").is_err() && parse_prefix("/a//b").is_err());
        assert!(parse_prefix("/%2e").is_err());
    }
}
