//! `retain serve`: the Storage Management page and its HTTP API.
//!
//! Read in this order: `auth` (who asks), `guard` (what a request must be before it is routed),
//! `site` and `view` (what pages show), `jobs` (how anything is changed: by the same plan and
//! apply as on the command line), `pages` and `api`. Nothing here moves or deletes; only
//! `apply` does, and a plan that is carried out is the plan that was shown.

mod answer;
mod api;
mod assets;
mod audit;
mod auth;
mod choice;
mod curve;
mod form;
mod guard;
mod jobs;
mod lang;
mod listen;
mod marking;
mod pages;
mod recipe;
mod router;
mod runs;
mod said;
mod shared;
mod site;
mod state;
mod treemap;
mod view;
mod words;

pub use listen::Address;
pub use site::SiteOptions;
pub use state::Clock;

use auth::Keys;
use auth::file::TokenError;
use site::Site;
use state::App;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// Pages that may watch events at once; each has a connection of its own.
const WATCHERS: usize = 128;

/// How a server is to run.
pub struct Options {
    pub sites: Vec<SiteOptions>,
    pub address: Address,
    /// Nothing, or `/` and a name without a slash at its end.
    pub prefix: String,
    /// `Host` headers that are answered besides those of the address.
    pub hosts: Vec<String>,
    pub allow_delete: bool,
    /// Everybody reaches it by TLS, which a proxy in front ends.
    pub secure: bool,
    pub tokens: PathBuf,
    pub audit: PathBuf,
    /// Owners that get a token, and a link, of their own.
    pub owners: Vec<String>,
    /// Between two scans that nobody asked for.
    pub pause: Duration,
    pub clock: Clock,
    pub stop: Arc<AtomicBool>,
}

/// What somebody who started a server needs to know.
pub struct Ready {
    pub address: Option<SocketAddr>,
    /// Whom each is for, and the address that signs them in once.
    pub links: Vec<(String, String)>,
}

#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error("cannot write the audit to {path}")]
    Audit { path: String, source: io::Error },
    #[error("cannot listen on {address}; if another program is there, no link of it is ours")]
    Listen { address: String, source: io::Error },
    #[error("cannot start the server")]
    Start(#[source] io::Error),
}

/// Serves until told to stop; `ready` is called once, when the socket is ours.
///
/// # Errors
/// The tokens, the audit or the address are not to be had.
pub fn run(options: Options, ready: impl FnOnce(&Ready)) -> Result<(), ServeError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("serve")
        .enable_all()
        .build()
        .map_err(ServeError::Start)?;
    let ended = runtime.block_on(start(options, ready));
    // Nobody waits for readers that are left.
    runtime.shutdown_timeout(Duration::from_millis(200));
    ended
}

async fn start(options: Options, ready: impl FnOnce(&Ready)) -> Result<(), ServeError> {
    let tokens = auth::file::read(&options.tokens, &options.owners)?;
    let audit = audit::Audit::open(&options.audit).map_err(|source| ServeError::Audit {
        path: options.audit.display().to_string(),
        source,
    })?;
    let shown = match &options.address {
        Address::Tcp(address) => address.to_string(),
        Address::Unix(path) => path.display().to_string(),
    };
    let listener = listen::Listener::bind(&options.address)
        .await
        .map_err(|source| ServeError::Listen { address: shown, source })?;
    let address = listener.local();
    let slugs = slugs(&options.sites);
    let (mut sites, mut woken) = (Vec::new(), Vec::new());
    for (slug, site) in slugs.into_iter().zip(options.sites) {
        let (site, receiver) = Site::new(slug, site);
        sites.push(Arc::clone(&site));
        woken.push((site, receiver));
    }
    let app = Arc::new(App {
        sites,
        keys: Keys::new(tokens).map_err(ServeError::Start)?,
        jobs: jobs::Jobs::default(),
        audit,
        watchers: Arc::new(tokio::sync::Semaphore::new(WATCHERS)),
        large: tokio::sync::Semaphore::new(1),
        clock: options.clock,
        stop: options.stop,
        hosts: hosts(address, options.hosts),
        prefix: options.prefix,
        allow_delete: options.allow_delete,
        secure: options.secure,
    });
    for (site, receiver) in woken {
        let clock = Arc::clone(&app.clock);
        std::thread::Builder::new()
            .name("look".to_owned())
            .spawn(move || site.keep_looking(&receiver, options.pause, &clock))
            .map_err(ServeError::Start)?;
    }
    let links = links(&app, address).map_err(ServeError::Start)?;
    ready(&Ready { address, links });
    let router = router::router(&app);
    listener.serve(Arc::clone(&app), router).await;
    // I29: what is at work ends its item before the process does.
    app.jobs.settle().await;
    Ok(())
}

fn links(app: &App, address: Option<SocketAddr>) -> io::Result<Vec<(String, String)>> {
    let host = app.hosts.last().map_or("localhost", String::as_str);
    let scheme = if app.secure { "https" } else { "http" };
    let own = address.map(|a| a.to_string()).unwrap_or_default();
    // The name that people use, if one was given, else the address itself.
    let host = if address.is_some() && !app.secure { own.as_str() } else { host };
    app.keys
        .principals()
        .map(|who| {
            let link = app.keys.link(who)?;
            let to = format!("{scheme}://{host}{}/login?once={link}", app.prefix);
            Ok((who.name.clone(), to))
        })
        .collect()
}

/// The address itself and the names of loopback, with its port; then what was allowed.
fn hosts(address: Option<SocketAddr>, more: Vec<String>) -> Vec<String> {
    let mut hosts = Vec::new();
    if let Some(address) = address {
        hosts.push(address.to_string());
        if address.ip().is_loopback() {
            hosts.extend(
                ["localhost", "127.0.0.1", "[::1]"].map(|h| format!("{h}:{}", address.port())),
            );
        }
    } else {
        hosts.push("localhost".to_owned());
    }
    hosts.extend(more.into_iter().map(|h| h.to_ascii_lowercase()));
    hosts
}

/// The last part of each root's path, made unique and plain.
fn slugs(sites: &[SiteOptions]) -> Vec<String> {
    let mut slugs: Vec<String> = Vec::new();
    for site in sites {
        let last = site.config.root.file_name().map(|n| n.to_string_lossy()).unwrap_or_default();
        let plain = |c: char| if c.is_ascii_alphanumeric() || "-_".contains(c) { c } else { '-' };
        let base: String = last.chars().map(plain).collect();
        let base = if base.trim_matches('-').is_empty() { "root".to_owned() } else { base };
        let mut slug = base.clone();
        let mut n = 2;
        while slugs.contains(&slug) {
            slug = format!("{base}-{n}");
            n += 1;
        }
        slugs.push(slug);
    }
    slugs
}
