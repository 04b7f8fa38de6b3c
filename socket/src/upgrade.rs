//! From a request to a socket: actix-ws does the handshake and parses what comes in; what goes out is our own body.

use actix_http::body::BoxBody;
use actix_web::{FromRequest, HttpRequest, HttpResponse, dev, web};
use futures_util::future::FutureExt;
use shared::protocol::SUBPROTOCOL;

use crate::{
    Inbound, Outbound, QueueLimits,
    inbound::{Guarded, Source},
    outbound::OutboundBody,
};

/// A socket that is open once `response` is given back to actix.
pub struct Upgraded {
    pub response: HttpResponse,
    pub outbound: Outbound,
    pub inbound: Inbound,
}

/// Performs the opening handshake (RFC 6455 §4.2). `max_message` is the most payload bytes of a client's message.
/// A request that is no WebSocket handshake is an error with the response for it.
pub fn upgrade(
    req: &HttpRequest,
    payload: web::Payload,
    max_message: usize,
    queue: QueueLimits,
) -> Result<Upgraded, actix_web::Error> {
    let source = Source::new(payload.into_inner());
    let guarded = Guarded::new(source.clone(), max_message);
    let mut guarded = dev::Payload::Stream { payload: Box::pin(guarded) as _ };
    // A `web::Payload` is made by its extractor alone, which is ready at once.
    let payload = web::Payload::from_request(req, &mut guarded)
        .now_or_never()
        .ok_or_else(|| actix_web::error::ErrorInternalServerError("payload"))??;
    let (response, session, messages) = actix_ws::handle_with_protocols(req, payload, &[SUBPROTOCOL])?;
    // Its sender is not used, and its closing is told by our own body.
    drop(session);
    let messages = messages.max_frame_size(max_message).aggregate_continuations().max_continuation_size(max_message);
    let outbound = Outbound::new(queue);
    let (head, inner) = response.into_parts();
    let body = OutboundBody::new(outbound.clone(), inner);
    let response = head.set_body(BoxBody::new(body));
    Ok(Upgraded { response, outbound, inbound: Inbound::new(messages, source) })
}
