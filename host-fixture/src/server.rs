//! Where the host serves its keys: HTTP on a port of its own, which counts who asks.

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use parking_lot::Mutex;

/// Serves one answer for every path, until the process ends.
pub struct KeyServer {
    url: String,
    shared: Arc<Shared>,
}

struct Shared {
    answer: Mutex<String>,
    requests: AtomicUsize,
}

impl KeyServer {
    /// Answers 200 with this body.
    pub fn start(body: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/keys", listener.local_addr().unwrap());
        let shared = Arc::new(Shared { answer: Mutex::default(), requests: AtomicUsize::new(0) });
        let server = Self { url, shared: shared.clone() };
        server.answer("200 OK", "", body);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = shared.clone();
                thread::spawn(move || serve(&stream, &shared));
            }
        });
        server
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// From now on it answers so; each line of `headers` ends with `\r\n`.
    pub fn answer(&self, status: &str, headers: &str, body: &str) {
        let length = body.len();
        *self.shared.answer.lock() =
            format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}");
    }

    /// How often it was asked.
    pub fn requests(&self) -> usize {
        self.shared.requests.load(Ordering::SeqCst)
    }
}

/// Whoever goes away meanwhile is not missed.
fn serve(mut stream: &TcpStream, shared: &Shared) {
    let _ = stream.set_read_timeout(Some(Duration::from_secs(10)));
    let head = BufReader::new(stream).lines().map_while(Result::ok).take_while(|line| !line.is_empty()).count();
    if head > 0 {
        shared.requests.fetch_add(1, Ordering::SeqCst);
        let answer = shared.answer.lock().clone();
        let _ = stream.write_all(answer.as_bytes());
    }
}
