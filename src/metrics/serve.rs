//! The numbers over HTTP.
//!
//! Whoever reaches the port is taken for hostile. A connection is for one request, and ends after some
//! seconds whatever is sent or not read. Where there are too many connections, the oldest gives way,
//! so a scrape gets through though others keep theirs open. Numbers are taken at most once a second,
//! and by one thread, however many ask.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Mutex;
use tokio::task::AbortHandle;

/// Most connections at a time. Each takes some 20 kB.
const CONNECTIONS: usize = 32;
/// How long a client may take for its request's head.
const HEAD: Duration = Duration::from_secs(5);
/// How long a connection may last; Prometheus waits 10 s unless it is told otherwise.
const LIFE: Duration = Duration::from_secs(15);
/// Most bytes and lines of a request's head.
const HEAD_BYTES: usize = 8 << 10;
const HEAD_LINES: usize = 64;
/// How long numbers are given out.
const FRESH: Duration = Duration::from_secs(1);
/// The pause after a connection could not be accepted: for want of descriptors, say.
const PAUSE: Duration = Duration::from_millis(100);

const INDEX: &str = "<!doctype html>\n<meta charset=\"utf-8\">\n<title>devgate</title>\n\
    <h1>devgate</h1>\n<p><a href=\"/metrics\">Metrics</a> for Prometheus.\n";

/// Why nothing is served.
#[derive(Debug, Error)]
pub enum ServeError {
    /// The address can't be listened on.
    #[error("{address} can't be listened on")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The machine does not give what a server takes.
    #[error("the server can't be started")]
    Start(#[source] io::Error),
}

/// A page, or why there is none.
type Page = Result<Bytes, Bytes>;

/// Serves `/metrics`, as `take` gives them, until SIGTERM or SIGINT. `listening` is told the
/// address: the port may be 0, for any.
///
/// # Errors
/// [`ServeError`].
pub fn serve(
    address: SocketAddr,
    content_type: &'static str,
    take: impl Fn() -> Result<String, String> + Send + Sync + 'static,
    listening: impl FnOnce(SocketAddr),
) -> Result<(), ServeError> {
    let listen = |source| ServeError::Listen { address, source };
    let listener = TcpListener::bind(address).map_err(listen)?;
    listener.set_nonblocking(true).map_err(listen)?;
    let bound = listener.local_addr().map_err(listen)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(1)
        .build()
        .map_err(ServeError::Start)?;
    let numbers = Arc::new(Numbers { take, content_type, last: Mutex::new(None) });
    runtime.block_on(async {
        let mut ends = [
            signal(SignalKind::terminate()).map_err(ServeError::Start)?,
            signal(SignalKind::interrupt()).map_err(ServeError::Start)?,
        ];
        let listener = tokio::net::TcpListener::from_std(listener).map_err(ServeError::Start)?;
        listening(bound);
        tokio::spawn(accept(listener, numbers));
        poll_fn(|context| match ends.iter_mut().any(|end| end.poll_recv(context).is_ready()) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        })
        .await;
        Ok(())
    })?;
    // Numbers that are being taken are not waited for.
    runtime.shutdown_background();
    Ok(())
}

async fn accept<T>(listener: tokio::net::TcpListener, numbers: Arc<Numbers<T>>)
where
    T: Fn() -> Result<String, String> + Send + Sync + 'static,
{
    let mut connections: VecDeque<AbortHandle> = VecDeque::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        connections.retain(|connection| !connection.is_finished());
        if connections.len() >= CONNECTIONS
            && let Some(oldest) = connections.pop_front()
        {
            oldest.abort();
        }
        let connection = tokio::spawn(converse(stream, Arc::clone(&numbers)));
        connections.push_back(connection.abort_handle());
    }
}

async fn converse<T>(stream: TcpStream, numbers: Arc<Numbers<T>>)
where
    T: Fn() -> Result<String, String> + Send + Sync + 'static,
{
    let answer = service_fn(|request: Request<Incoming>| {
        let numbers = Arc::clone(&numbers);
        async move { Ok::<_, Infallible>(numbers.answer(&request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(HEAD_BYTES)
        .max_headers(HEAD_LINES)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), answer);
    // A client that is slow, silent or gone is of no interest.
    let _ = tokio::time::timeout(LIFE, connection).await;
}

struct Numbers<T> {
    take: T,
    content_type: &'static str,
    last: Mutex<Option<(Instant, Page)>>,
}

impl<T> Numbers<T>
where
    T: Fn() -> Result<String, String> + Send + Sync + 'static,
{
    async fn answer(self: Arc<Self>, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        match (request.method(), request.uri().path()) {
            (&Method::GET | &Method::HEAD, "/metrics") => {
                let content_type = self.content_type;
                // A client that goes must not leave the numbers half taken.
                match tokio::spawn(self.fresh()).await {
                    Ok(Ok(text)) => page(StatusCode::OK, content_type, text),
                    Ok(Err(why)) => page(StatusCode::INTERNAL_SERVER_ERROR, TEXT, why),
                    Err(error) => {
                        page(StatusCode::INTERNAL_SERVER_ERROR, TEXT, error.to_string().into())
                    }
                }
            }
            (&Method::GET | &Method::HEAD, "/") => page(StatusCode::OK, HTML, INDEX.into()),
            (&Method::GET | &Method::HEAD, _) => {
                page(StatusCode::NOT_FOUND, TEXT, "there is /metrics\n".into())
            }
            _ => {
                let mut refusal = page(StatusCode::METHOD_NOT_ALLOWED, TEXT, Bytes::new());
                refusal.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
                refusal
            }
        }
    }

    async fn fresh(self: Arc<Self>) -> Page {
        let mut last = self.last.lock().await;
        if let Some((when, page)) = &*last
            && when.elapsed() < FRESH
        {
            return page.clone();
        }
        let taking = Arc::clone(&self);
        let taken = tokio::task::spawn_blocking(move || (taking.take)()).await;
        let page = match taken {
            Ok(taken) => taken.map(Bytes::from).map_err(|why| format!("{why}\n").into()),
            Err(error) => Err(error.to_string().into()),
        };
        *last = Some((Instant::now(), page.clone()));
        page
    }
}

const TEXT: &str = "text/plain; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";

fn page(status: StatusCode, content_type: &'static str, text: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
