//! An answer that is not 2xx as an [`Error::Api`], also where it comes from a proxy that knows nothing of us.

use std::time::Duration;

use reqwest::{Response, StatusCode, header::RETRY_AFTER};
use serde::Deserialize;
use shared::{ErrorCode, FieldProblem};

use crate::{Error, Result};

/// The answer, if it is a success.
pub(super) async fn check(response: Response) -> Result<Response> {
    if response.status().is_success() {
        return Ok(response);
    }
    let status = response.status();
    let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    let body = response.bytes().await?;
    Err(problem(status, &body, retry_after.map(Duration::from_secs)))
}

fn problem(status: StatusCode, body: &[u8], retry_after: Option<Duration>) -> Error {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Body {
        detail: String,
        /// Read by itself: a newer server may have codes this client does not know.
        code: serde_json::Value,
        details: Vec<FieldProblem>,
    }
    let body: Body = serde_json::from_slice(body).unwrap_or_default();
    let code = serde_json::from_value(body.code).unwrap_or_else(|_| code_of(status));
    let detail = if body.detail.is_empty() { format!("HTTP {status}") } else { body.detail };
    Error::Api { code, status: status.as_u16(), detail, retry_after, details: body.details }
}

/// The nearest code where the body has none.
fn code_of(status: StatusCode) -> ErrorCode {
    match status.as_u16() {
        401 => ErrorCode::Unauthorized,
        403 => ErrorCode::Forbidden,
        404 | 405 | 410 => ErrorCode::NotFound,
        413 => ErrorCode::PayloadTooLarge,
        429 => ErrorCode::RateLimitExceeded,
        502..=504 => ErrorCode::Unavailable,
        400..=499 => ErrorCode::InvalidMessage,
        _ => ErrorCode::ServerError,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_document_is_taken_at_its_word() {
        let body = br#"{"type":"about:blank","title":"t","status":409,"detail":"taken","code":"USERNAME_TAKEN","error":"taken"}"#;
        match problem(StatusCode::CONFLICT, body, Some(Duration::from_secs(3))) {
            Error::Api { code: ErrorCode::UsernameTaken, status: 409, detail, retry_after, .. } => {
                assert_eq!((detail.as_str(), retry_after), ("taken", Some(Duration::from_secs(3))));
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn other_bodies_are_judged_by_their_status() {
        for (status, code) in
            [(502, ErrorCode::Unavailable), (401, ErrorCode::Unauthorized), (418, ErrorCode::InvalidMessage)]
        {
            for body in [&b"<html>"[..], br#"{"code":"NEW_CODE"}"#, b""] {
                let error = problem(StatusCode::from_u16(status).unwrap(), body, None);
                assert_eq!(error.code(), Some(code), "{status}");
            }
        }
    }
}
