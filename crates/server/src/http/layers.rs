//! What every request passes: a slot, a clock, the body limit; and what every answer passes: metrics and plain headers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderValue, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use tokio::sync::Semaphore;

use super::Limits;
use crate::metrics::HttpMetrics;
use crate::problem::{Code, Problem};

#[derive(Clone)]
struct Gate {
    slots: Arc<Semaphore>,
    request: Duration,
    body_bytes: usize,
    metrics: HttpMetrics,
}

/// `router` behind the limits.
pub(super) fn wrap(router: Router, limits: &Limits, metrics: &HttpMetrics) -> Router {
    let gate = Gate {
        slots: Arc::new(Semaphore::new(limits.requests)),
        request: limits.request,
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
    let _slot = gate.slots.try_acquire().map_err(|_| Problem::from(Code::Busy))?;
    // A body that announces its size is refused before it is read.
    let announced = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    let announced = announced.and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
    if usize::try_from(announced).is_err() || announced > gate.body_bytes as u64 {
        return Err(Problem::from(Code::TooLarge));
    }
    let answer = tokio::time::timeout(gate.request, next.run(request)).await;
    answer.map_err(|_| Problem::from(Code::Timeout))
}
