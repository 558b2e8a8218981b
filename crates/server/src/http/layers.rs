//! What every request passes: its address's part, a whole body, a slot, a clock; and what every answer passes: metrics and
//! plain headers.
//!
//! A slot is for work. A body that comes slowly takes none, and a handler that waits gives its own back ([`Slot`]).

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, HttpBody as _};
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderValue, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Limits, Peer, Shares};
use crate::metrics::HttpMetrics;
use crate::problem::{Code, Problem};

#[derive(Clone)]
struct Gate {
    slots: Arc<Semaphore>,
    bodies: Arc<Semaphore>,
    under_way: Shares,
    request: Duration,
    body: Duration,
    body_bytes: usize,
    metrics: HttpMetrics,
}

/// A request's place among those that are worked on, in the extensions of every request.
#[derive(Clone)]
pub struct Slot {
    slots: Arc<Semaphore>,
    held: Arc<Mutex<Option<OwnedSemaphorePermit>>>,
}

impl Slot {
    fn take(slots: &Arc<Semaphore>) -> Result<Self, Problem> {
        let permit = Arc::clone(slots).try_acquire_owned().map_err(|_| Problem::from(Code::Busy))?;
        Ok(Self { slots: Arc::clone(slots), held: Arc::new(Mutex::new(Some(permit))) })
    }

    /// Waits for `until` without the slot, and for a slot again after that. How many may wait is the caller's to bound.
    ///
    /// # Errors
    ///
    /// [`Code::Busy`] if the server is going away.
    pub async fn wait<T>(&self, until: impl Future<Output = T>) -> Result<T, Problem> {
        drop(self.held.lock().unwrap_or_else(PoisonError::into_inner).take());
        let value = until.await;
        let permit = Arc::clone(&self.slots).acquire_owned().await.map_err(|_| Problem::from(Code::Busy))?;
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = Some(permit);
        Ok(value)
    }
}

/// `router` behind the limits.
pub(super) fn wrap(router: Router, limits: &Limits, metrics: &HttpMetrics) -> Router {
    let gate = Gate {
        slots: Arc::new(Semaphore::new(limits.requests)),
        bodies: Arc::new(Semaphore::new(limits.bodies)),
        under_way: Shares::new(limits.requests_per_address, limits.requests_per_loopback, usize::MAX),
        request: limits.request,
        body: limits.body,
        body_bytes: limits.body_bytes,
        metrics: metrics.clone(),
    };
    router
        .fallback(|| async { Problem::from(Code::NotFound) })
        .method_not_allowed_fallback(|| async { Problem::from(Code::MethodNotAllowed) })
        .layer(DefaultBodyLimit::max(limits.body_bytes))
        .layer(middleware::from_fn_with_state(gate, pass))
}

async fn pass(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let mut response = admit(&gate, request, next).await.unwrap_or_else(IntoResponse::into_response);
    let code = response.extensions().get::<Code>().map_or("ok", |code| code.as_str());
    gate.metrics.request(code, started.elapsed());
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

async fn admit(gate: &Gate, request: Request, next: Next) -> Result<Response, Problem> {
    let peer = request.extensions().get::<Peer>().map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |Peer(peer)| peer.ip());
    let too_many = || Problem::new(Code::RateLimited, "Too many requests of this address are under way.");
    let _part = gate.under_way.take(peer, 1).ok_or_else(too_many)?;
    let mut request = with_whole_body(gate, request).await?;
    let slot = Slot::take(&gate.slots)?;
    request.extensions_mut().insert(slot.clone());
    let answer = tokio::time::timeout(gate.request, next.run(request)).await;
    answer.map_err(|_| Problem::from(Code::Timeout))
}

/// The request with its body in memory: whoever sends slowly must not hold a slot.
async fn with_whole_body(gate: &Gate, request: Request) -> Result<Request, Problem> {
    // A body that announces its size is refused before it is read.
    let announced = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    let announced = announced.and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
    if usize::try_from(announced).is_err() || announced > gate.body_bytes as u64 {
        return Err(Problem::from(Code::TooLarge));
    }
    let (parts, body) = request.into_parts();
    if body.is_end_stream() {
        return Ok(Request::from_parts(parts, body));
    }
    let _place = gate.bodies.try_acquire().map_err(|_| Problem::from(Code::Busy))?;
    let read = tokio::time::timeout(gate.body, Limited::new(body, gate.body_bytes).collect()).await;
    match read.map_err(|_| Problem::new(Code::Timeout, "The body did not arrive in time."))? {
        Ok(whole) => Ok(Request::from_parts(parts, Body::from(whole.to_bytes()))),
        Err(error) if error.is::<LengthLimitError>() => Err(Problem::from(Code::TooLarge)),
        Err(_) => Err(Problem::new(Code::Malformed, "The body did not arrive whole.")),
    }
}
