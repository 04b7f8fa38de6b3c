//! A deployment behind something that speaks TLS, with a certificate that only this machine trusts.

use std::{net::SocketAddr, path::Path, process::Output, sync::Arc};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    process::Command,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, pki_types::PrivateKeyDer},
};

use crate::support::embedded;

/// Takes TLS off what goes to `to`; gives the port.
async fn terminate(tls: TlsAcceptor, to: SocketAddr) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let tls = tls.clone();
            tokio::spawn(async move {
                // Refused by a client that does not trust it.
                let Ok(mut inside) = tls.accept(stream).await else { return };
                let mut outside = TcpStream::connect(to).await.unwrap();
                let _ = copy_bidirectional(&mut inside, &mut outside).await;
            });
        }
    });
    port
}

async fn fanout(api: &str, chat: &str, trusted: &Path) -> Output {
    let options = ["fanout", "--users", "5", "--warmup", "0", "--messages", "20", "--rate", "200"];
    let mut bench = Command::new(env!("CARGO_BIN_EXE_bench"));
    bench.args(options).args(["--api", api, "--chat", chat]).env("SSL_CERT_FILE", trusted);
    bench.output().await.unwrap()
}

#[tokio::test]
async fn a_deployment_behind_tls_is_reached_by_https_and_wss_where_its_certificate_is_trusted() {
    let system = embedded().await;
    let directory = tempfile::tempdir().unwrap();
    let certificate = |name: &str| {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let file = directory.path().join(name);
        std::fs::write(&file, made.cert.pem()).unwrap();
        (made, file)
    };
    let ((own, trusted), (_, foreign)) = (certificate("own.pem"), certificate("foreign.pem"));
    let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![own.cert.der().clone()], key);
    let tls = TlsAcceptor::from(Arc::new(config.unwrap()));
    let [api, chat] = ["api", "chat"].map(|service| system.first_address(service).unwrap());
    let secure_api = format!("https://127.0.0.1:{}", terminate(tls.clone(), api).await);
    let secure_chat = format!("wss://127.0.0.1:{}", terminate(tls, chat).await);

    let output = fanout(&secure_api, &secure_chat, &trusted).await;
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains("Every one accounted for."));

    let output = fanout(&secure_api, &secure_chat, &foreign).await;
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let output = fanout(&format!("http://{api}"), &secure_chat, &foreign).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("certificate"), "{output:?}");
}
