//! A door in front of a server: clients keep its address while a test decides where it leads.

use std::net::SocketAddr;

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// Forwards TCP. Dropped, it ends all that goes through it.
pub struct Door {
    address: SocketAddr,
    leads_to: watch::Sender<SocketAddr>,
}

impl Door {
    /// Opens on a free port.
    pub async fn new(leads_to: SocketAddr) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (sender, receiver) = watch::channel(leads_to);
        tokio::spawn(stand_open(listener, receiver));
        Ok(Self { address, leads_to: sender })
    }

    /// Where clients knock.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Leads elsewhere from now on; cuts what goes through it.
    pub fn lead_to(&self, address: SocketAddr) {
        self.leads_to.send_replace(address);
    }
}

/// Bounded by the clients of a test.
async fn stand_open(listener: TcpListener, mut leads_to: watch::Receiver<SocketAddr>) {
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((client, _)) => drop(tokio::spawn(forward(client, leads_to.clone()))),
                Err(_) => return,
            },
            changed = leads_to.changed() => if changed.is_err() { return },
        }
    }
}

async fn forward(mut client: TcpStream, mut leads_to: watch::Receiver<SocketAddr>) {
    let address = *leads_to.borrow_and_update();
    let Ok(mut server) = TcpStream::connect(address).await else { return };
    tokio::select! {
        // Either end may cut it at any time.
        _ = copy_bidirectional(&mut client, &mut server) => {}
        _ = leads_to.changed() => {}
    }
}
