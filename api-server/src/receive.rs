//! Files on their way in: from the body of a request into an [`Intake`], piece by piece, with no patience for who sends
//! nothing.

use std::{future::Future, time::Duration};

use actix_multipart::{Field, Multipart, MultipartError};
use actix_web::{HttpRequest, web::Payload};
use bytes::Bytes;
use domain::{DomainError, files::Intake};
use futures_util::{Stream, StreamExt};

/// Who sends nothing for so long is not waited for.
const STALLED: Duration = Duration::from_secs(30);
/// What a whole file may take.
const WHOLE: Duration = Duration::from_secs(600);
/// Bytes of the part `name`.
const NAME: usize = 1024;
/// What is still read of a body that was refused, so that its sender reads the refusal.
const DRAINED: usize = 16 << 20;

/// The part `file` of a form, and what it is called: as the part `name` says, else as the file's own.
pub async fn form(request: &HttpRequest, body: Payload, intake: &mut Intake) -> Result<String, DomainError> {
    let mut parts = Multipart::new(request.headers(), body);
    match in_time(WHOLE, parts_of(&mut parts, intake)).await {
        Ok(Ok(name)) => Ok(name),
        Ok(Err(Stop::Refused(refusal))) => {
            intake.clear();
            drain(parts).await;
            Err(refusal)
        }
        Ok(Err(Stop::Broken(why))) | Err(why) => Err(why),
    }
}

/// Why a form is read no further.
enum Stop {
    Refused(DomainError),
    /// It is none any more from here on.
    Broken(DomainError),
}

impl From<DomainError> for Stop {
    fn from(refusal: DomainError) -> Self {
        Self::Refused(refusal)
    }
}

impl From<MultipartError> for Stop {
    fn from(e: MultipartError) -> Self {
        Self::Broken(broken(&e))
    }
}

/// A body that is the file.
pub async fn whole(mut body: Payload, intake: &mut Intake) -> Result<(), DomainError> {
    let pieces = async {
        while let Some(piece) = in_time(STALLED, body.next()).await? {
            intake.push(&piece.map_err(|e| broken(&e))?)?;
        }
        Ok(())
    };
    let received = in_time(WHOLE, pieces).await.and_then(|received| received);
    if received.is_err() {
        intake.clear();
        let mut left = DRAINED;
        let _ = in_time(STALLED, discard(&mut body, &mut left)).await;
    }
    received
}

async fn parts_of(parts: &mut Multipart, intake: &mut Intake) -> Result<String, Stop> {
    let (mut files, mut own, mut given) = (0, String::new(), None);
    while let Some(part) = in_time(STALLED, parts.next()).await? {
        let mut part = part?;
        match part.name() {
            Some("file") if files == 0 => {
                files = 1;
                own = part.content_disposition().and_then(|said| said.get_filename()).unwrap_or_default().to_owned();
                while let Some(piece) = in_time(STALLED, part.next()).await? {
                    intake.push(&piece?)?;
                }
            }
            Some("file") => return Err(DomainError::invalid("file", "send one file at a time").into()),
            Some("name") => given = Some(text(&mut part).await?),
            other => {
                let other = other.unwrap_or_default().to_owned();
                return Err(DomainError::invalid(&other, "the form has the parts file and name").into());
            }
        }
    }
    match files {
        0 => Err(DomainError::invalid("file", "the form has no such part").into()),
        _ => Ok(given.unwrap_or(own)),
    }
}

async fn text(part: &mut Field) -> Result<String, Stop> {
    let mut bytes = Vec::new();
    while let Some(piece) = in_time(STALLED, part.next()).await? {
        bytes.extend_from_slice(&piece?);
        if bytes.len() > NAME {
            return Err(DomainError::invalid("name", format!("use up to {NAME} bytes")).into());
        }
    }
    String::from_utf8(bytes).map_err(|_| DomainError::invalid("name", "is not UTF-8").into())
}

async fn in_time<T>(limit: Duration, work: impl Future<Output = T>) -> Result<T, DomainError> {
    tokio::time::timeout(limit, work).await.map_err(|_| DomainError::invalid("body", "did not come in time"))
}

fn broken(e: &dyn std::fmt::Display) -> DomainError {
    DomainError::invalid("body", e.to_string())
}

async fn drain(mut parts: Multipart) {
    let whole = async {
        let mut left = DRAINED;
        while left > 0
            && let Some(Ok(mut part)) = parts.next().await
        {
            discard(&mut part, &mut left).await;
        }
    };
    // However little is sent at a time.
    let _ = in_time(STALLED, whole).await;
}

/// Reads what comes, as long as it is not more than `left`.
async fn discard<E>(body: &mut (impl Stream<Item = Result<Bytes, E>> + Unpin), left: &mut usize) {
    while *left > 0
        && let Some(Ok(piece)) = body.next().await
    {
        *left = left.saturating_sub(piece.len());
    }
}
