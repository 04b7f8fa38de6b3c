//! Errors as `application/problem+json` (RFC 9457); the status of a code is decided in `shared::error`, once.

use std::fmt;

use actix_web::{
    HttpRequest, HttpResponse, ResponseError,
    body::{BoxBody, EitherBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    error::{InternalError, JsonPayloadError},
    http::{
        StatusCode,
        header::{self, HeaderName, HeaderValue},
    },
    middleware::Next,
    web::Data,
};
use domain::DomainError;
use shared::{ErrorCode, FieldProblem, Problem};
use utoipa::openapi::OpenApi;

use crate::observe::request_id;

pub type ApiResult<T> = Result<T, WebError>;

/// Names the request in the answer and in the logs.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The media type of a problem (RFC 9457 §3).
pub(crate) const PROBLEM_JSON: &str = "application/problem+json";

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

pub(crate) fn status(code: ErrorCode) -> StatusCode {
    StatusCode::from_u16(code.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// An answer whose body [`finish`] writes once the request's id is known.
pub fn problem_response(problem: Problem) -> HttpResponse {
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = HttpResponse::new(status);
    response.extensions_mut().insert(problem);
    response
}

/// Middleware of the paths of the Messaging API, whose clients look for `success` in every answer.
pub async fn with_success<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, actix_web::Error> {
    let mut response = next.call(request).await?;
    if let Some(problem) = response.response_mut().extensions_mut().get_mut::<Problem>() {
        problem.success = Some(false);
    }
    Ok(response)
}

/// What an extractor could not read, as `INVALID_MESSAGE`.
pub fn unreadable(field: &str, problem: String) -> actix_web::Error {
    WebError(DomainError::Invalid(vec![FieldProblem { field: field.into(), problem }])).into()
}

/// What is not an id in a path is nobody's: the same answer as to an id that nobody has.
pub fn names_nothing() -> actix_web::Error {
    WebError(DomainError::NotFound("there is nothing of this id")).into()
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

/// What no route takes: an unknown path, or a method its path does not know (with `Allow`, RFC 9110 §15.5.6).
pub async fn unrouted(request: HttpRequest, api: Data<OpenApi>) -> HttpResponse {
    let Some(pattern) = request.match_pattern() else {
        return problem_response(Problem::new(ErrorCode::NotFound, "there is no such path"));
    };
    let mut response = problem_response(not_allowed());
    if let Ok(methods) = HeaderValue::from_str(&methods_of(&api, &pattern)) {
        response.headers_mut().insert(header::ALLOW, methods);
    }
    response
}

/// The methods of a path; those that are not described are pages, to be read.
fn methods_of(api: &OpenApi, pattern: &str) -> String {
    let Some(item) = api.paths.paths.get(pattern) else { return "GET".into() };
    let methods = [
        ("GET", &item.get),
        ("POST", &item.post),
        ("PUT", &item.put),
        ("PATCH", &item.patch),
        ("DELETE", &item.delete),
    ];
    let known: Vec<_> = methods.iter().filter(|(_, operation)| operation.is_some()).map(|(name, _)| *name).collect();
    known.join(", ")
}

fn not_allowed() -> Problem {
    let text = "the path does not know this method";
    Problem { status: 405, title: "Method not allowed".into(), ..Problem::new(ErrorCode::NotFound, text) }
}

/// A refusal that is not ours but the framework's (a payload over its limit, an origin not allowed), said our way.
fn foreign(status: StatusCode) -> Problem {
    let title = status.canonical_reason().unwrap_or("Refused");
    let code = match status.as_u16() {
        405 => return not_allowed(),
        401 => ErrorCode::Unauthorized,
        403 => ErrorCode::Forbidden,
        404 => ErrorCode::NotFound,
        413 => ErrorCode::PayloadTooLarge,
        429 => ErrorCode::RateLimitExceeded,
        503 => ErrorCode::Unavailable,
        500.. => ErrorCode::ServerError,
        _ => ErrorCode::InvalidMessage,
    };
    Problem { status: status.as_u16(), title: title.into(), ..Problem::new(code, title) }
}

/// Middleware: gives every answer its request id, and every refusal a problem+json body, also those that come from
/// the framework rather than from us. What is a problem document already, as a gateway passes on, stays as it is.
pub async fn finish<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B, BoxBody>>, actix_web::Error> {
    let id = request_id(request.request());
    let mut response = next.call(request).await?;
    if let Some(id) = id.as_deref().and_then(|id| HeaderValue::from_str(id).ok()) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    let told = response.response_mut().extensions_mut().remove::<Problem>();
    let status = response.status();
    let refused = status.is_client_error() || status.is_server_error();
    let problem = match told {
        Some(problem) => problem,
        None if refused && !is_problem(&response) => foreign(status),
        None => return Ok(response.map_into_left_body()),
    };
    let body = serde_json::to_vec(&Problem { request_id: id, ..problem })?;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
    Ok(response.map_body(|_, _| EitherBody::right(BoxBody::new(body))))
}

fn is_problem<B>(response: &ServiceResponse<B>) -> bool {
    response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes() == PROBLEM_JSON.as_bytes())
}
