//! Sockets: one that begins a session, or one that would take the place of another's requests.

use actix_http::{ResponseBuilder, header};
use futures_util::future::{FutureExt, LocalBoxFuture};
use socket::Upgrade;

use crate::{Allowance, Engine, Fault, Opened, Serve, Source, engine::new_sid, http::Query, packet, source::Letter};

impl<C: Send + 'static> Engine<C> {
    /// Serves a request for a socket to its end, on this worker where it begins a session.
    pub fn upgrade(&self, upgrade: Upgrade, context: C, serve: &Serve<C>) -> LocalBoxFuture<'static, ()> {
        match self.accept(upgrade, context) {
            Ok(Some(opened)) => serve(opened),
            Ok(None) => std::future::ready(()).boxed_local(),
            Err((upgrade, fault)) => refuse(*upgrade, fault).boxed_local(),
        }
    }

    /// `None`: it has gone to the session it names.
    fn accept(&self, upgrade: Upgrade, context: C) -> Result<Option<Opened<C>>, (Box<Upgrade>, Fault)> {
        let head = upgrade.head();
        let query = Query::parse(head.uri.query().unwrap_or_default());
        let fault = if !socket::origin_allowed(head, &self.config.allowed_origins) {
            Some(Fault::Forbidden)
        } else if query.transport.as_deref() != Some("websocket") {
            Some(Fault::UnknownTransport)
        } else {
            query.check_version().err()
        };
        if let Some(fault) = fault {
            return Err((Box::new(upgrade), fault));
        }
        if let Some(sid) = &query.sid {
            let Some(entry) = self.table.find(sid) else { return Err((Box::new(upgrade), Fault::UnknownSession)) };
            let detached = upgrade.detach().map_err(|upgrade| (upgrade, Fault::BadRequest))?;
            // One that is asked for too much loses the newest socket.
            let _ = entry.letters.try_send(Letter::Socket(Box::new(detached)));
            return Ok(None);
        }
        let config = &self.config;
        let accepted = upgrade.accept(config.most.text, config.queue);
        let (outbound, inbound) = accepted.map_err(|upgrade| (upgrade, Fault::BadRequest))?;
        outbound.push(packet::open(&new_sid(), &[], config));
        let allowance = Allowance::default();
        let source = Source::socket(inbound, allowance.clone(), config.clone());
        Ok(Some(Opened { outbound, source, allowance, context }))
    }
}

async fn refuse(upgrade: Upgrade, fault: Fault) {
    let mut answer = ResponseBuilder::new(fault.status());
    answer.insert_header((header::CONTENT_TYPE, "application/json"));
    upgrade.refuse(answer.finish().drop_body(), fault.body()).await;
}
