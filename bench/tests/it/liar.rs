//! A chat-server that does not keep its word: a proxy before a real one that drops, doubles or swaps a delivery. The
//! tool must notice.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use bench::report::Report;
use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::{
    accept_hdr_async, connect_async,
    tungstenite::{
        Message,
        client::IntoClientRequest,
        handshake::server::{Request, Response},
    },
};

use crate::support::{common, embedded, run_talk, talk};

/// What it does to the first delivery that passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lie {
    None,
    Drop,
    Double,
    /// It comes after the next one.
    Swap,
}

/// Runs four users in one room, with ten messages, through a proxy; gives what the tool says.
async fn behind(lie: Lie) -> Report {
    let system = embedded().await;
    let mut common = common(&system);
    let (listener, real) = (TcpListener::bind("127.0.0.1:0").await.unwrap(), common.chat[0].to_string());
    common.chat = vec![bench::target::chat_url(&format!("ws://{}", listener.local_addr().unwrap())).unwrap()];
    let lie = Arc::new(Mutex::new(lie));
    let proxy = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(pass_on(stream, real.clone(), lie.clone()));
        }
    });
    let mut talk = talk(4, 1, 10);
    // How long the tool waits for what never comes.
    talk.drain = Duration::from_secs(2);
    let report = run_talk(&common, &talk).await;
    proxy.abort();
    report
}

async fn pass_on(stream: TcpStream, real: String, lie: Arc<Mutex<Lie>>) {
    let mut token = None;
    #[expect(clippy::result_large_err, reason = "the callback's type is the library's")]
    let see = |request: &Request, response: Response| {
        token = request.headers().get("authorization").cloned();
        Ok(response)
    };
    let mut client = accept_hdr_async(stream, see).await.unwrap();
    let mut request = real.into_client_request().unwrap();
    request.headers_mut().insert("authorization", token.unwrap());
    let (mut server, _) = connect_async(request).await.unwrap();
    let mut held: Option<Message> = None;
    loop {
        tokio::select! {
            frame = client.next() => match frame {
                Some(Ok(frame)) => drop(server.send(frame).await),
                _ => return,
            },
            frame = server.next() => {
                let Some(Ok(frame)) = frame else { return };
                let delivery = frame.to_text().is_ok_and(|text| text.contains("NEW_MESSAGE"));
                let lie = if delivery { std::mem::replace(&mut *lie.lock().unwrap(), Lie::None) } else { Lie::None };
                let frames = match lie {
                    Lie::Drop => vec![],
                    Lie::Double => vec![frame.clone(), frame],
                    Lie::Swap => {
                        held = Some(frame);
                        vec![]
                    }
                    Lie::None if delivery => [frame].into_iter().chain(held.take()).collect(),
                    Lie::None => vec![frame],
                };
                for frame in frames {
                    let _ = client.send(frame).await;
                }
            }
        }
    }
}

#[tokio::test]
async fn a_delivery_that_is_dropped_doubled_or_late_is_noticed() {
    let lies = [(Lie::None, [0, 0, 0]), (Lie::Drop, [1, 0, 0]), (Lie::Double, [0, 1, 0]), (Lie::Swap, [0, 0, 1])];
    for (lie, expected) in lies {
        let report = behind(lie).await;
        let messages = report.messages.as_ref().unwrap();
        assert_eq!([messages.lost, messages.doubled, messages.reordered], expected, "{lie:?}: {report}");
        assert_eq!(report.passed, lie == Lie::None, "{lie:?}: {report}");
    }
}
