//! What a client that announces a lot, and sends it, does to the server's memory. Alone in its process: it measures it.
#![expect(clippy::unwrap_used, dead_code, reason = "tests; the support is shared with those in `it`")]

#[path = "../it/support.rs"]
mod support;

use support::{Echo, close_code, raw};
use tokio::io::AsyncWriteExt;

#[tokio::test]
async fn an_announced_gigabyte_and_200_mib_of_it_move_no_memory() {
    let server = Echo::start(|_| {});
    // Once before measuring, so that what the first connection allocates for all is there.
    for measured in [false, true] {
        let before = resident_bytes();
        let mut socket = raw(&server).await;
        let mut header = vec![0x82, 0xff];
        header.extend((1u64 << 30).to_be_bytes());
        header.extend([0; 4]);
        socket.write_all(&header).await.unwrap();
        assert_eq!(close_code(&mut socket).await, 1009);
        let block = vec![0; 64 * 1024];
        let mut peak = 0;
        for _ in 0..200 * 16 {
            // The server hangs up on it after a while.
            if socket.write_all(&block).await.is_err() {
                break;
            }
            peak = peak.max(resident_bytes());
        }
        let grown = peak.saturating_sub(before);
        assert!(!measured || grown < 2 << 20, "{grown} bytes");
    }
}

/// Resident memory of this process.
fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}
