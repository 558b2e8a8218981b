//! One question of JSON-RPC 2.0 and its answer, over HTTP or a WebSocket.

use hyper::body::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Client, Endpoint, Error, printable, ws};

/// The code of JSON-RPC 2.0 for a method that is not there.
pub(super) const METHOD_UNKNOWN: i64 = -32601;
/// The number of every request: there is one on each connection.
const ID: u64 = 1;

/// What the server says.
#[derive(Debug, PartialEq)]
pub(super) enum Reply {
    /// The result.
    Result(Value),
    /// Its error.
    Refused {
        /// The code of JSON-RPC.
        code: i64,
        /// Its text, as it came.
        text: String,
    },
}

#[derive(Deserialize)]
struct Answer {
    jsonrpc: String,
    id: Value,
    result: Option<Value>,
    error: Option<Refused>,
}

#[derive(Deserialize)]
struct Refused {
    #[serde(default)]
    code: i64,
    message: String,
}

/// Asks; `expected` is who should answer there, for messages.
///
/// # Errors
/// [`Error`]; the server's own errors are replies.
pub(super) async fn call(
    client: &Client,
    at: &Endpoint,
    expected: &'static str,
    method: &str,
    params: &Value,
) -> Result<Reply, Error> {
    let request = json!({ "jsonrpc": "2.0", "id": ID, "method": method, "params": params }).to_string();
    let answer = if at.scheme().is_socket() {
        ws::ask(client, at, request).await?
    } else {
        client.post_json(at, request).await?
    };
    read(&answer).map_err(|text| Error::Malformed { at: at.to_string(), expected, text })
}

fn read(answer: &Bytes) -> Result<Reply, String> {
    let answer: Answer = serde_json::from_slice(answer).map_err(|_| printable(answer))?;
    if answer.jsonrpc != "2.0" || answer.id != json!(ID) {
        return Err("it answers another question".to_owned());
    }
    match (answer.result, answer.error) {
        (Some(result), None) => Ok(Reply::Result(result)),
        (None, Some(Refused { code, message })) => Ok(Reply::Refused { code, text: message }),
        _ => Err("there is not one of result and error".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_an_answer_to_the_question() {
        let read = |text: &'static str| read(&Bytes::from_static(text.as_bytes()));
        assert_eq!(read(r#"{"jsonrpc":"2.0","id":1,"result":"x"}"#), Ok(Reply::Result(json!("x"))));
        let refused = Reply::Refused { code: -32601, text: "no".to_owned() };
        assert_eq!(read(r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no"}}"#), Ok(refused));
        for bad in [
            "",
            "0x04",
            "<html>",
            r#"{"jsonrpc":"2.0","id":2,"result":"x"}"#,
            r#"{"jsonrpc":"2.0","id":"1","result":"x"}"#,
            r#"{"jsonrpc":"1.0","id":1,"result":"x"}"#,
            r#"{"jsonrpc":"2.0","id":1}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":null}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":"x","error":{"code":1,"message":""}}"#,
            r#"[{"jsonrpc":"2.0","id":1,"result":"x"}]"#,
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
