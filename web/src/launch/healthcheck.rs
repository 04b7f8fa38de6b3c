//! `--healthcheck`: asks the instance that serves beside it for `/health`, so that a container needs neither a shell
//! nor curl to be watched.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    time::Duration,
};

/// For connecting, and for each read and write.
const PATIENCE: Duration = Duration::from_secs(2);
/// More than a status line is not read.
const STATUS_LINE: u64 = 256;

/// `Ok` when the service that listens on `listen` answers `/health` with 200; else why not.
pub fn ask(listen: SocketAddr) -> io::Result<()> {
    ask_within(listen, PATIENCE)
}

fn ask_within(listen: SocketAddr, patience: Duration) -> io::Result<()> {
    let address = reachable(listen);
    let mut stream = TcpStream::connect_timeout(&address, patience)?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    write!(stream, "GET /health HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut line = String::new();
    BufReader::new(stream.take(STATUS_LINE)).read_line(&mut line).map_err(|e| match e.kind() {
        // What a read that took too long is called differs from system to system.
        io::ErrorKind::WouldBlock => io::Error::new(io::ErrorKind::TimedOut, "no answer in time"),
        _ => e,
    })?;
    match line.split_ascii_whitespace().nth(1) {
        Some("200") => Ok(()),
        _ => Err(io::Error::other(format!("answered: {}", line.trim_end()))),
    }
}

/// One cannot connect to "every address"; the loopback one is among them.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

#[cfg(test)]
mod tests {
    use std::{net::TcpListener, thread};

    use super::*;

    /// Answers one request with `answer`; gives its port, and the request to who joins.
    fn answering(answer: &'static str) -> (u16, thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let serving = thread::spawn(move || {
            let mut stream = listener.accept().unwrap().0;
            let request: Vec<String> =
                BufReader::new(&stream).lines().map(Result::unwrap).take_while(|line| !line.is_empty()).collect();
            stream.write_all(answer.as_bytes()).unwrap();
            request.join("\n")
        });
        (port, serving)
    }

    #[test]
    fn a_service_on_every_address_is_asked_on_the_loopback() {
        let (port, serving) = answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
        ask(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port)).unwrap();
        let request = serving.join().unwrap();
        assert_eq!(request, format!("GET /health HTTP/1.1\nHost: 127.0.0.1:{port}\nConnection: close"));
        assert_eq!(reachable("[::]:1".parse().unwrap()), "[::1]:1".parse().unwrap());
        assert_eq!(reachable("10.0.0.7:1".parse().unwrap()), "10.0.0.7:1".parse().unwrap());
    }

    #[test]
    fn anything_but_200_is_unhealthy() {
        for answer in ["HTTP/1.1 503 Service Unavailable\r\n\r\n", "HTTP/1.1 404 200\r\n\r\n", "200", ""] {
            let (port, serving) = answering(answer);
            let unhealthy = ask(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port)).unwrap_err();
            assert_eq!(unhealthy.to_string(), format!("answered: {}", answer.trim_end()));
            serving.join().unwrap();
        }
    }

    #[test]
    fn a_service_that_does_not_listen_or_does_not_answer_is_unhealthy() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let silent = ask_within(address, Duration::from_millis(50)).unwrap_err();
        assert_eq!(silent.kind(), io::ErrorKind::TimedOut, "{silent:?}");
        drop(listener);
        assert_eq!(ask(address).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    }
}
