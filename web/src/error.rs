//! Errors as `application/problem+json` (RFC 9457); the status of a code is decided in `shared::error`, once.

use std::fmt;

use actix_web::{
    HttpMessage, HttpResponse, ResponseError,
    body::{BoxBody, EitherBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    error::{InternalError, JsonPayloadError},
    http::{
        StatusCode,
        header::{self, HeaderName, HeaderValue},
    },
    middleware::Next,
};
use domain::DomainError;
use shared::{ErrorCode, FieldProblem, Problem};
use tracing_actix_web::RequestId;

pub type ApiResult<T> = Result<T, WebError>;

/// Names the request in the answer and in the logs.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A rule's refusal on its way to the client.
#[derive(Debug)]
pub struct WebError(pub DomainError);

impl<E: Into<DomainError>> From<E> for WebError {
    fn from(e: E) -> Self {
        Self(e.into())
    }
}

impl fmt::Display for WebError {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl ResponseError for WebError {
    fn status_code(&self) -> StatusCode {
        status(self.0.code())
    }

    fn error_response(&self) -> HttpResponse {
        self.0.log();
        let mut problem = Problem::new(self.0.code(), self.0.to_string());
        problem.details = self.0.details().to_vec();
        let mut response = problem_response(problem);
        if let Some(wait) = self.0.retry_after() {
            // Whole seconds (RFC 9110 §10.2.3), at least one.
            let seconds = wait.as_secs_f64().ceil().max(1.0) as u64;
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.0.code() == ErrorCode::Unauthorized {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

fn status(code: ErrorCode) -> StatusCode {
    StatusCode::from_u16(code.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// An answer whose body [`finish`] writes once the request's id is known.
pub fn problem_response(problem: Problem) -> HttpResponse {
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = HttpResponse::new(status);
    response.extensions_mut().insert(problem);
    response
}

/// What an extractor could not read, as `INVALID_MESSAGE`.
pub fn unreadable(field: &str, problem: String) -> actix_web::Error {
    WebError(DomainError::Invalid(vec![FieldProblem { field: field.into(), problem }])).into()
}

/// A JSON body that could not be read: too large, or not what was expected.
pub fn json_error(e: JsonPayloadError, _: &actix_web::HttpRequest) -> actix_web::Error {
    match e {
        JsonPayloadError::OverflowKnownLength { limit, .. } | JsonPayloadError::Overflow { limit } => {
            let problem = Problem::new(ErrorCode::PayloadTooLarge, format!("the body is larger than {limit} bytes"));
            InternalError::from_response("body too large", problem_response(problem)).into()
        }
        JsonPayloadError::ContentType => unreadable("body", "send JSON with content-type application/json".into()),
        other => unreadable("body", other.to_string()),
    }
}

/// Middleware: gives every answer its request id, and every error a problem+json body, also those that come from the
/// router (unknown path, wrong method) rather than from us.
pub async fn finish<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B, BoxBody>>, actix_web::Error> {
    let id = request.extensions().get::<RequestId>().map(ToString::to_string);
    let path_known = request.match_pattern().is_some();
    let mut response = next.call(request).await?;
    if let Some(id) = id.as_deref().and_then(|id| HeaderValue::from_str(id).ok()) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    let told = response.response_mut().extensions_mut().remove::<Problem>();
    // The router's own answers are empty; ours, and those a gateway passes on, are not.
    let unanswered = response.status() == StatusCode::NOT_FOUND && response.response().body().size().is_eof();
    let problem = match told {
        Some(problem) => problem,
        None if unanswered && path_known => {
            let text = "the path does not know this method";
            *response.response_mut().status_mut() = StatusCode::METHOD_NOT_ALLOWED;
            Problem { status: 405, title: "Method not allowed".into(), ..Problem::new(ErrorCode::NotFound, text) }
        }
        None if unanswered => Problem::new(ErrorCode::NotFound, "there is no such path"),
        None => return Ok(response.map_into_left_body()),
    };
    let body = serde_json::to_vec(&Problem { request_id: id, ..problem })?;
    let content_type = HeaderValue::from_static("application/problem+json");
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    Ok(response.map_body(|_, _| EitherBody::right(BoxBody::new(body))))
}
