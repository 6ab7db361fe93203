//! The socket, and what one connection may cost.
//!
//! Slow headers, endless bodies and thousands of connections are answered with limits, not with
//! memory (W9). Only HTTP/1.1 is spoken: a proxy in front may speak what it likes.

use super::guard;
use super::state::App;
use axum::Router;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Semaphore;

/// Connections at once; more wait in the kernel's queue.
const CONNECTIONS: usize = 512;
/// A request's headers must have arrived by then; an idle connection is closed as soon.
const HEADERS: Duration = Duration::from_secs(10);
/// Bytes of a request's head.
const HEAD: usize = 64 << 10;
/// No connection lasts longer, a stream of events included: who watches connects again.
const LIFETIME: Duration = Duration::from_secs(10 * 60);
/// How often the end of the server is looked for.
const TICK: Duration = Duration::from_millis(200);

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    Tcp(SocketAddr),
    /// Mode 0600: whoever may connect is who started the server.
    Unix(PathBuf),
}

pub enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener, PathBuf),
}

impl Listener {
    /// # Errors
    /// The address is taken: by whom is not known, so no link may be given out (W12).
    pub async fn bind(address: &Address) -> io::Result<Listener> {
        match address {
            Address::Tcp(address) => TcpListener::bind(address).await.map(Listener::Tcp),
            Address::Unix(path) => {
                clear(path).await?;
                let listener = UnixListener::bind(path)?;
                std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
                Ok(Listener::Unix(listener, path.clone()))
            }
        }
    }

    /// `127.0.0.1:8700`; `None` for a socket in the file system.
    pub fn local(&self) -> Option<SocketAddr> {
        match self {
            Listener::Tcp(tcp) => tcp.local_addr().ok(),
            Listener::Unix(..) => None,
        }
    }

    /// Serves until the server is told to stop.
    pub async fn serve(self, app: Arc<App>, router: Router) {
        let room = Arc::new(Semaphore::new(CONNECTIONS));
        loop {
            let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
            let stream = loop {
                if app.stop.load(Ordering::SeqCst) {
                    return;
                }
                match tokio::time::timeout(TICK, self.accept()).await {
                    Ok(Ok(stream)) => break stream,
                    // Out of descriptors, or a caller that left: neither ends the server.
                    Ok(Err(_)) => tokio::time::sleep(TICK).await,
                    Err(_) => {}
                }
            };
            let (app, router) = (Arc::clone(&app), router.clone());
            tokio::spawn(async move {
                let _ = tokio::time::timeout(LIFETIME, connection(stream, app, router)).await;
                drop(place);
            });
        }
    }

    async fn accept(&self) -> io::Result<Box<dyn Stream>> {
        match self {
            Listener::Tcp(tcp) => Ok(Box::new(tcp.accept().await?.0)),
            Listener::Unix(unix, _) => Ok(Box::new(unix.accept().await?.0)),
        }
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

async fn connection(stream: Box<dyn Stream>, app: Arc<App>, router: Router) {
    let service = service_fn(move |request| {
        let (app, router) = (Arc::clone(&app), router.clone());
        async move { Ok::<_, std::convert::Infallible>(guard::answer(app, router, request).await) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS)
        .max_buf_size(HEAD)
        .keep_alive(true)
        .serve_connection(TokioIo::new(stream), service);
    // A caller that breaks off is not an error of ours.
    if let Err(e) = served.await {
        tracing::debug!("a connection ended: {e}");
    }
}

/// Makes way for a socket whose server is gone; anything else at the path stays.
async fn clear(path: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(e),
        Ok(meta) if meta.file_type().is_socket() => {
            if tokio::net::UnixStream::connect(path).await.is_ok() {
                return Err(io::Error::new(
                    io::ErrorKind::AddrInUse,
                    "another server listens there",
                ));
            }
            rustix::fs::unlink(path).map_err(io::Error::from)
        }
        Ok(_) => Err(io::Error::new(io::ErrorKind::AlreadyExists, "something else is there")),
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Listener::Unix(_, path) = self {
            // A socket that is left is cleared by the next server.
            let _ = rustix::fs::unlink(&*path);
        }
    }
}
