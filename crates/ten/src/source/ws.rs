//! One question and its answer over a WebSocket (RFC 6455) on a connection of its own.

use futures_util::{SinkExt, StreamExt};
use hyper::body::Bytes;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::http::{Stream, redirect, within};
use super::{Client, Endpoint, Error, printable};

/// Messages before the answer: a server may ask whether this side is alive.
const CONTROL_MESSAGES_MAX: usize = 16;

/// Sends one text and gives the first text that comes back.
pub(super) async fn ask(client: &Client, at: &Endpoint, text: String) -> Result<Bytes, Error> {
    let limits = client.limits();
    let until = Instant::now() + limits.whole;
    let stream = client.connect(at, until).await?;
    let mut config = WebSocketConfig::default();
    config.max_message_size = Some(limits.body_bytes);
    config.max_frame_size = Some(limits.body_bytes);
    let fail = |error| sort(at, limits.body_bytes, error);
    let headers = until.min(Instant::now() + limits.headers);
    let upgrade = client_async_with_config(at.to_string(), stream, Some(config));
    let (mut socket, _) = within(headers, at, "upgrade", upgrade).await?.map_err(fail)?;
    within(until, at, "request", socket.send(Message::text(text))).await?.map_err(fail)?;
    let answer = within(until, at, "answer", receive(at, limits.body_bytes, &mut socket)).await??;
    // Politeness; the answer is here already, and the connection ends with the socket.
    let _ = within(headers, at, "close", socket.close(None)).await;
    Ok(answer)
}

async fn receive(at: &Endpoint, max: usize, socket: &mut WebSocketStream<Box<dyn Stream>>) -> Result<Bytes, Error> {
    let fail = |why: &str| Error::WebSocket { at: at.to_string(), why: why.to_owned() };
    for _ in 0..CONTROL_MESSAGES_MAX {
        match socket.next().await {
            Some(Ok(Message::Text(text))) => return Ok(Bytes::copy_from_slice(text.as_str().as_bytes())),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            Some(Ok(Message::Close(_))) | None => return Err(fail("it was closed without an answer")),
            Some(Ok(_)) => return Err(fail("the answer is no text")),
            Some(Err(error)) => return Err(sort(at, max, error)),
        }
    }
    Err(fail("it sends pings instead of an answer"))
}

fn sort(at: &Endpoint, max: usize, error: tungstenite::Error) -> Error {
    let here = at.to_string();
    match error {
        tungstenite::Error::Io(source) => Error::Unreachable { at: here, source },
        tungstenite::Error::Capacity(_) => Error::TooLarge { at: here, max },
        tungstenite::Error::Http(response) => {
            let status = response.status();
            let text = response.body().as_deref().map(printable).unwrap_or_default();
            redirect(at, status, response.headers().get(hyper::header::LOCATION)).unwrap_or(Error::Status {
                at: here,
                status: status.as_u16(),
                text,
            })
        }
        other => Error::WebSocket { at: here, why: printable(other.to_string().as_bytes()) },
    }
}

#[cfg(test)]
#[path = "ws_tests.rs"]
mod tests;
