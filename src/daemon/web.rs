//! A small HTTP server for those who watch: `/metrics`, `/health`, `/ready`. On loopback or a Unix socket only.

use std::convert::Infallible;
use std::future::Future;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::daemon::fatal::Fatal;
use crate::daemon::watcher::Watcher;
use crate::ingress::settings::ListenAddr;

/// Connections at once; further ones wait in the kernel's queue.
const CONNECTIONS: usize = 8;
/// For the header of a request to come.
const HEADER: Duration = Duration::from_secs(5);
/// For a whole connection: one request and its answer.
const WHOLE: Duration = Duration::from_secs(30);
/// The largest header, in bytes.
const BUFFER: usize = 16 * 1024;
/// After a failed accept, so that a machine out of descriptors is not made to spin.
const PAUSE: Duration = Duration::from_millis(100);

type Answer = Response<Full<Bytes>>;

/// Serves until `stop` says so; who is being answered then is cut off: it asks again.
pub(super) async fn serve(door: Door, watcher: Arc<Watcher>, mut stop: watch::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut visits = JoinSet::new();
    loop {
        while visits.try_join_next().is_some() {}
        let accepted = tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => return,
            accepted = next(&door, &places) => accepted,
        };
        match accepted {
            Some((Client::Tcp(stream), place)) => {
                drop(visits.spawn(visit(stream, Arc::clone(&watcher), place)))
            }
            Some((Client::Unix(stream), place)) => {
                drop(visits.spawn(visit(stream, Arc::clone(&watcher), place)))
            }
            None => sleep(PAUSE).await,
        }
    }
}

async fn next(door: &Door, places: &Arc<Semaphore>) -> Option<(Client, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    let client = match door {
        Door::Tcp(listener) => Client::Tcp(listener.accept().await.ok()?.0),
        Door::Unix { listener, .. } => Client::Unix(listener.accept().await.ok()?.0),
    };
    Some((client, place))
}

/// What is listened on.
pub(super) enum Door {
    Tcp(TcpListener),
    Unix {
        listener: UnixListener,
        /// Goes with the listener.
        _file: SocketFile,
    },
}

enum Client {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// A socket's name in the file system; removed when dropped.
pub(super) struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Whoever finds it later removes it as stale.
        let _ = std::fs::remove_file(&self.0);
    }
}

impl Door {
    /// Listens there; to be called inside a tokio runtime. A Unix socket is for the daemon's user and group, and takes
    /// the place of a stale one: nobody else has this store open, so nobody else's daemon answers there.
    pub(super) fn bind(address: &ListenAddr) -> Result<Self, Fatal> {
        let failed = |why| Fatal::Metrics { address: address.to_string(), why };
        match address {
            ListenAddr::Tcp(host_port) => {
                let listener = std::net::TcpListener::bind(host_port).map_err(failed)?;
                listener.set_nonblocking(true).map_err(failed)?;
                let listener = TcpListener::from_std(listener).map_err(failed)?;
                let bound = listener.local_addr().map_err(failed)?;
                tracing::info!(address = %bound, "metrics and health");
                Ok(Self::Tcp(listener))
            }
            ListenAddr::Unix(path) => {
                if std::fs::symlink_metadata(path).is_ok_and(|there| there.file_type().is_socket()) {
                    std::fs::remove_file(path).map_err(failed)?;
                }
                let listener = UnixListener::bind(path).map_err(failed)?;
                let file = SocketFile(path.clone());
                std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660)).map_err(failed)?;
                tracing::info!(address = %address, "metrics and health");
                Ok(Self::Unix { listener, _file: file })
            }
        }
    }
}

fn visit<S>(stream: S, watcher: Arc<Watcher>, place: OwnedSemaphorePermit) -> impl Future<Output = ()> + Send
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let watcher = Arc::clone(&watcher);
        async move { Ok::<_, Infallible>(answer(request.method(), request.uri().path(), &watcher).await) }
    });
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(HEADER).max_buf_size(BUFFER).keep_alive(false);
    let served = server.serve_connection(TokioIo::new(stream), service);
    async move {
        // Whoever broke off, was too slow or sent no HTTP is gone; there is nobody to tell.
        let _ = timeout(WHOLE, served).await;
        drop(place);
    }
}

async fn answer(method: &Method, path: &str, watcher: &Watcher) -> Answer {
    if !matches!(path, "/metrics" | "/health" | "/ready") {
        return text(StatusCode::NOT_FOUND, "there is /metrics, /health and /ready\n".to_owned());
    }
    if !matches!(*method, Method::GET | Method::HEAD) {
        return text(StatusCode::METHOD_NOT_ALLOWED, "GET and HEAD only\n".to_owned());
    }
    match path {
        "/metrics" => {
            let kind = "text/plain; version=0.0.4; charset=utf-8";
            response(StatusCode::OK, kind, watcher.metrics().await)
        }
        "/health" => judged(watcher.live().await),
        _ => judged(watcher.ready().await),
    }
}

fn judged((ok, report): (bool, String)) -> Answer {
    let status = if ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    response(status, "application/json", report)
}

fn text(status: StatusCode, text: String) -> Answer {
    response(status, "text/plain; charset=utf-8", text)
}

fn response(status: StatusCode, kind: &'static str, body: String) -> Answer {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
