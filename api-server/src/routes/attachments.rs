//! Attachments over REST: uploading files, and reading those of messages one may see.

use std::ops::Range;

use actix_web::{
    HttpRequest, HttpResponse, get,
    http::header::{
        self, ByteRangeSpec, ContentDisposition, DispositionParam, DispositionType, EntityTag, Header, HeaderValue,
        IfNoneMatch,
    },
    post,
    web::{Data, Path, Payload},
};
use domain::{
    Domain, DomainError,
    files::{Files, Found},
};
use shared::{AttachmentId, Problem, protocol::Attachment};
use utoipa::ToSchema;
use web::{ApiResult, Caller};

use super::messages::parse_message;
use crate::receive;

/// Files never change; but who may see them can.
const CACHE: &str = "private, max-age=3600, immutable";

#[derive(ToSchema)]
#[expect(dead_code, reason = "tells the document what the form has; it is read piece by piece")]
struct FileForm {
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
    /// Default: the file's own name.
    name: Option<String>,
}

/// Keeps a file of at most 10 MiB for a message to come. Images are encoded anew, upright, without what else was in them
/// (of an animation the first frame), and get a thumbnail.
#[utoipa::path(tag = "attachments", security(("bearer" = [])),
    request_body(content = FileForm, content_type = "multipart/form-data"),
    responses(
        (status = 201, body = Attachment),
        (status = 400, body = Problem, description = "INVALID_MESSAGE"),
        (status = 401, body = Problem, description = "UNAUTHORIZED"),
        (status = 403, body = Problem, description = "FORBIDDEN: files cannot be uploaded here"),
        (status = 413, body = Problem, description = "PAYLOAD_TOO_LARGE: bytes, or pixels of an image"),
        (status = 429, body = Problem, description = "RATE_LIMIT_EXCEEDED, also for too many uploads that no message has"),
        (status = 503, body = Problem, description = "UNAVAILABLE"),
    ))]
#[post("/api/attachments")]
pub(super) async fn upload(
    domain: Data<Domain>,
    caller: Caller,
    request: HttpRequest,
    body: Payload,
) -> ApiResult<HttpResponse> {
    let mut intake = domain.files.begin_upload(&caller.0).await?;
    let name = receive::form(&request, body, &mut intake).await?;
    Ok(HttpResponse::Created().json(domain.files.upload(&caller.0, &name, intake).await?))
}

/// An upload of one's own that no message has yet.
#[utoipa::path(tag = "attachments", security(("bearer" = [])), params(("id" = String, Path)), responses(
    (status = 200, content_type = "application/octet-stream", description = "The file"),
    (status = 401, body = Problem, description = "UNAUTHORIZED"),
    (status = 404, body = Problem, description = "NOT_FOUND"),
))]
#[get("/api/attachments/{id}")]
pub(super) async fn own(
    domain: Data<Domain>,
    caller: Caller,
    request: HttpRequest,
    id: Path<String>,
) -> ApiResult<HttpResponse> {
    let found = domain.files.own_upload(&caller.0, parse_attachment(&id)?, false).await?;
    serve(&domain.files, &request, &found).await
}

/// The thumbnail of an upload of one's own that no message has yet.
#[utoipa::path(tag = "attachments", security(("bearer" = [])), params(("id" = String, Path)), responses(
    (status = 200, content_type = "image/*", description = "The thumbnail"),
    (status = 401, body = Problem, description = "UNAUTHORIZED"),
    (status = 404, body = Problem, description = "NOT_FOUND"),
))]
#[get("/api/attachments/{id}/thumbnail")]
pub(super) async fn own_thumbnail(
    domain: Data<Domain>,
    caller: Caller,
    request: HttpRequest,
    id: Path<String>,
) -> ApiResult<HttpResponse> {
    let found = domain.files.own_upload(&caller.0, parse_attachment(&id)?, true).await?;
    serve(&domain.files, &request, &found).await
}

/// An attachment of a message that one may see. Only images are for showing; all else is to be saved.
#[utoipa::path(tag = "attachments", security(("bearer" = [])),
    params(("id" = String, Path), ("attachmentId" = String, Path)),
    responses(
        (status = 200, content_type = "application/octet-stream", description = "The file"),
        (status = 206, content_type = "application/octet-stream", description = "The part that `Range` names"),
        (status = 304, description = "It is what `If-None-Match` names"),
        (status = 401, body = Problem, description = "UNAUTHORIZED"),
        (status = 404, body = Problem, description = "MESSAGE_NOT_FOUND, NOT_FOUND"),
        (status = 416, body = Problem, description = "INVALID_MESSAGE: the file has no such part"),
    ))]
#[get("/api/messages/{id}/attachments/{attachmentId}")]
pub(super) async fn of_message(
    domain: Data<Domain>,
    caller: Caller,
    request: HttpRequest,
    path: Path<(String, String)>,
) -> ApiResult<HttpResponse> {
    let (message, id) = (parse_message(&path.0)?, parse_attachment(&path.1)?);
    let found = domain.files.of_message(&caller.0, message, id, false).await?;
    serve(&domain.files, &request, &found).await
}

/// The thumbnail of an image of a message that one may see.
#[utoipa::path(tag = "attachments", security(("bearer" = [])),
    params(("id" = String, Path), ("attachmentId" = String, Path)),
    responses(
        (status = 200, content_type = "image/*", description = "The thumbnail"),
        (status = 304, description = "It is what `If-None-Match` names"),
        (status = 401, body = Problem, description = "UNAUTHORIZED"),
        (status = 404, body = Problem, description = "MESSAGE_NOT_FOUND, NOT_FOUND"),
    ))]
#[get("/api/messages/{id}/attachments/{attachmentId}/thumbnail")]
pub(super) async fn thumbnail(
    domain: Data<Domain>,
    caller: Caller,
    request: HttpRequest,
    path: Path<(String, String)>,
) -> ApiResult<HttpResponse> {
    let (message, id) = (parse_message(&path.0)?, parse_attachment(&path.1)?);
    let found = domain.files.of_message(&caller.0, message, id, true).await?;
    serve(&domain.files, &request, &found).await
}

fn parse_attachment(id: &str) -> Result<AttachmentId, DomainError> {
    id.parse().map_err(|_| DomainError::NotFound("there is no such attachment"))
}

/// A file that somebody else made, to a browser that must not believe it.
async fn serve(files: &Files, request: &HttpRequest, found: &Found) -> ApiResult<HttpResponse> {
    let tag = EntityTag::new_strong(found.tag.clone());
    if is_known(request, &tag) {
        return Ok(HttpResponse::NotModified()
            .insert_header((header::CACHE_CONTROL, CACHE))
            .insert_header(header::ETag(tag))
            .finish());
    }
    let range = match found.size.and_then(|size| range(request, size)) {
        Some(Err(size)) => {
            let whole = (header::CONTENT_RANGE, format!("bytes */{size}"));
            return Ok(HttpResponse::RangeNotSatisfiable().insert_header(whole).finish());
        }
        Some(Ok(range)) => Some(range),
        None => None,
    };
    let reading = files.read(found, range.clone()).await?;
    let mut response = HttpResponse::Ok();
    let mut length = reading.size;
    if let Some(range) = &range {
        response.status(actix_web::http::StatusCode::PARTIAL_CONTENT);
        let part = format!("bytes {}-{}/{}", range.start, range.end - 1, reading.size);
        response.insert_header((header::CONTENT_RANGE, part));
        length = range.end - range.start;
    }
    Ok(response
        .insert_header((header::CONTENT_TYPE, content_type(&found.mime)))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header(disposition(found))
        .insert_header((header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"))
        .insert_header((header::CROSS_ORIGIN_RESOURCE_POLICY, "same-origin"))
        .insert_header((header::CACHE_CONTROL, CACHE))
        .insert_header((header::VARY, "authorization"))
        .insert_header((header::ACCEPT_RANGES, if found.size.is_some() { "bytes" } else { "none" }))
        .insert_header(header::ETag(tag))
        .no_chunking(length)
        .streaming(reading.body))
}

fn content_type(mime: &str) -> HeaderValue {
    let mime = if mime == "text/plain" { "text/plain; charset=utf-8" } else { mime };
    HeaderValue::from_str(mime).unwrap_or_else(|_| HeaderValue::from_static("application/octet-stream"))
}

/// RFC 6266, with the name as RFC 8187 has it and, for who does not read that, without what is not ASCII.
fn disposition(found: &Found) -> ContentDisposition {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "._- ".contains(c) { c } else { '_' };
    let name = DispositionParam::Filename(found.name.chars().map(plain).collect());
    let full = DispositionParam::FilenameExt(header::ExtendedValue {
        charset: header::Charset::Ext("UTF-8".into()),
        language_tag: None,
        value: found.name.clone().into_bytes(),
    });
    let disposition = if found.inline { DispositionType::Inline } else { DispositionType::Attachment };
    ContentDisposition { disposition, parameters: vec![name, full] }
}

fn is_known(request: &HttpRequest, tag: &EntityTag) -> bool {
    match IfNoneMatch::parse(request) {
        Ok(IfNoneMatch::Any) => true,
        Ok(IfNoneMatch::Items(known)) => known.iter().any(|known| known.weak_eq(tag)),
        Err(_) => false,
    }
}

/// The one part that is asked for, or the size of a file that has no such part. Several parts, and a part of something
/// that may have been another file, are answered by the whole (RFC 9110 §14.2).
fn range(request: &HttpRequest, size: u64) -> Option<Result<Range<u64>, u64>> {
    let headers = request.headers();
    if !headers.contains_key(header::RANGE) || headers.contains_key(header::IF_RANGE) {
        return None;
    }
    let Ok(header::Range::Bytes(parts)) = header::Range::parse(request) else { return None };
    let [part] = &parts[..] else { return None };
    Some(ByteRangeSpec::to_satisfiable_range(part, size).map(|(first, last)| first..last + 1).ok_or(size))
}
