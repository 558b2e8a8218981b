//! Metrics in the OpenMetrics text format: a registry that parts of the server add to, and the `/metrics` answer.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry};

use crate::problem::{Code, Problem};

/// One label; values come from a fixed set, never from a request.
pub type Label = [(&'static str, &'static str); 1];

/// All metrics of a process. Clones share the registry.
#[derive(Clone)]
pub struct Metrics(Arc<Mutex<Registry>>);

impl Default for Metrics {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Registry::with_prefix("quorumkeep"))))
    }
}

impl Metrics {
    /// Adds a metric and returns it; clones of a metric share its value.
    pub fn add<M: Metric + Clone>(&self, name: &str, help: &str, metric: M) -> M {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).register(name, help, metric.clone());
        metric
    }

    /// A gauge.
    #[must_use]
    pub fn gauge(&self, name: &str, help: &str) -> Gauge {
        self.add(name, help, Gauge::default())
    }

    /// A counter; `_total` is added to its name.
    #[must_use]
    pub fn counter(&self, name: &str, help: &str) -> Counter {
        self.add(name, help, Counter::default())
    }

    /// A counter with one label.
    #[must_use]
    pub fn counters(&self, name: &str, help: &str) -> Family<Label, Counter> {
        self.add(name, help, Family::default())
    }

    /// The text of all metrics.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        let registry = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Writing to a string cannot fail.
        let _ = encode(&mut text, &registry);
        text
    }

    /// The answer to `GET /metrics`.
    #[must_use]
    pub fn response(&self) -> Response {
        let text = self.text();
        if text.is_empty() {
            return Problem::from(Code::Internal).into_response();
        }
        let kind = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
        ([(header::CONTENT_TYPE, kind)], text).into_response()
    }
}

/// What every HTTP server counts.
#[derive(Clone)]
pub struct HttpMetrics {
    connections: Gauge,
    refused: Counter,
    handshakes_failed: Counter,
    requests: Family<Label, Counter>,
    seconds: Histogram,
}

impl HttpMetrics {
    /// Adds the metrics of a server to `metrics`.
    #[must_use]
    pub fn new(metrics: &Metrics) -> Self {
        let bounds = [0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0];
        Self {
            connections: metrics.gauge("http_connections", "Open connections"),
            refused: metrics.counter("http_connections_refused", "Connections refused because there are too many"),
            handshakes_failed: metrics.counter("http_handshakes_failed", "TLS handshakes that failed"),
            requests: metrics.counters("http_requests", "Requests by the code of the answer"),
            seconds: metrics.add("http_request_seconds", "Time per request", Histogram::new(bounds)),
        }
    }

    pub(crate) fn request(&self, code: &'static str, took: Duration) {
        self.requests.get_or_create(&[("code", code)]).inc();
        self.seconds.observe(took.as_secs_f64());
    }

    pub(crate) fn connection_refused(&self) {
        self.refused.inc();
    }

    pub(crate) fn handshake_failed(&self) {
        self.handshakes_failed.inc();
    }

    pub(crate) fn connection_opened(&self) -> Open {
        self.connections.inc();
        Open(self.connections.clone())
    }
}

/// An open connection in the gauge; dropping it takes it off.
pub(crate) struct Open(Gauge);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}
