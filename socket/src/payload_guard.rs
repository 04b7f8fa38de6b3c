//! Walks the frame headers of the bytes a client sends (RFC 6455 §5.2) before anything buffers their payload.
//!
//! The parser behind it checks a frame's size only once the whole payload is in memory, so a client that announces
//! 1 GiB could fill it without having authenticated. The guard ends the stream in front of the first frame that
//! breaks a rule; what came before it is still handled.

use crate::CloseCode;

/// Fragments one message may be cut into, where it may not be long; each costs time, whatever its length.
pub const MIN_FRAGMENTS: u64 = 4096;
/// Fragments of a message that may be long are at least so long on average.
const SHORT_FRAGMENT: u64 = 64;
/// Payload of a control frame (RFC 6455 §5.5).
const MAX_CONTROL: u64 = 125;

/// Which rule the peer broke; fixes the close code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Violation {
    /// A frame, or the sum of a message's fragments, is over the limit.
    TooBig,
    /// The bytes are no frames a client may send.
    Protocol,
    /// A text message, or the reason of a close, is not UTF-8.
    InvalidUtf8,
}

impl Violation {
    pub const fn close_code(self) -> CloseCode {
        match self {
            Self::TooBig => CloseCode::TooBig,
            Self::Protocol => CloseCode::ProtocolError,
            Self::InvalidUtf8 => CloseCode::InvalidUtf8,
        }
    }
}

/// The walk's place in the stream; 40 bytes for each connection.
#[derive(Debug)]
pub struct FrameWalk {
    /// Most payload bytes of one message.
    limit: u64,
    header: [u8; 10],
    /// Bytes of the current header (without its mask) that have been seen.
    have: usize,
    /// Bytes of mask and payload that are still to be passed by.
    skip: u64,
    /// Payload announced so far by the fragmented message under way, and its number of fragments.
    message: u64,
    fragments: u64,
}

impl FrameWalk {
    /// `limit`: the most payload bytes one message may have.
    pub fn new(limit: usize) -> Self {
        Self { limit: limit as u64, header: [0; 10], have: 0, skip: 0, message: 0, fragments: 0 }
    }

    /// Takes the next bytes of the stream, cut anywhere. `Err((good, why))`: the first `good` bytes belong to frames
    /// that are right, the frame after them is not. O(number of frames), not of bytes.
    pub fn walk(&mut self, bytes: &[u8]) -> Result<(), (usize, Violation)> {
        let mut at = 0;
        let mut frame_start = 0;
        while at < bytes.len() {
            if self.skip > 0 {
                let step = self.skip.min((bytes.len() - at) as u64);
                self.skip -= step;
                // `step` is at most the length of a slice.
                at += usize::try_from(step).unwrap_or(usize::MAX);
                continue;
            }
            if self.have == 0 {
                frame_start = at;
            }
            self.header[self.have] = bytes[at];
            self.have += 1;
            at += 1;
            self.judge().map_err(|why| (frame_start, why))?;
        }
        Ok(())
    }

    fn most_fragments(&self) -> u64 {
        MIN_FRAGMENTS.max(self.limit / SHORT_FRAGMENT)
    }

    /// Looks at what is known of the header, as early as it is known.
    fn judge(&mut self) -> Result<(), Violation> {
        let (first, second) = (self.header[0], self.header[1]);
        let (fin, opcode) = (first & 0x80 != 0, first & 0x0f);
        let control = opcode >= 8;
        if self.have == 1 {
            let known = matches!(opcode, 0 | 1 | 2 | 8 | 9 | 10);
            let in_turn = control || (opcode == 0) == (self.fragments > 0);
            let whole = !control || fin;
            let no_extension = first & 0x70 == 0;
            return if known && in_turn && whole && no_extension { Ok(()) } else { Err(Violation::Protocol) };
        }
        if second & 0x80 == 0 {
            return Err(Violation::Protocol);
        }
        let extended = match second & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        if self.have < 2 + extended {
            return Ok(());
        }
        let length = match extended {
            0 => u64::from(second & 0x7f),
            _ => self.header[2..2 + extended].iter().fold(0, |n, b| n << 8 | u64::from(*b)),
        };
        if control {
            if length > MAX_CONTROL {
                return Err(Violation::Protocol);
            }
        } else {
            self.message = self.message.saturating_add(length);
            self.fragments += 1;
            if self.message > self.limit || self.fragments > self.most_fragments() {
                return Err(Violation::TooBig);
            }
            if fin {
                (self.message, self.fragments) = (0, 0);
            }
        }
        (self.have, self.skip) = (0, length + 4);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A masked client frame with this announced length and these payload bytes.
    fn frame(first: u8, announced: u64, payload: &[u8]) -> Vec<u8> {
        let mut out = vec![first];
        match announced {
            0..=125 => out.push(0x80 | announced as u8),
            126..=0xffff => {
                out.push(0x80 | 126);
                out.extend((announced as u16).to_be_bytes());
            }
            _ => {
                out.push(0x80 | 127);
                out.extend(announced.to_be_bytes());
            }
        }
        out.extend([1, 2, 3, 4]);
        out.extend(payload);
        out
    }

    fn whole(first: u8, length: usize) -> Vec<u8> {
        frame(first, length as u64, &vec![0; length])
    }

    /// Where the walk of `bytes`, cut at `cuts`, stops: absolute offset and reason.
    fn stops(limit: usize, bytes: &[u8], cuts: &[usize]) -> Option<(usize, Violation)> {
        let mut walk = FrameWalk::new(limit);
        let mut from = 0;
        for to in cuts.iter().copied().chain([bytes.len()]) {
            if let Err((good, why)) = walk.walk(&bytes[from..to]) {
                return Some((from + good, why));
            }
            from = to;
        }
        None
    }

    #[test]
    fn a_header_that_announces_too_much_is_refused_without_its_payload() {
        let good = whole(0x81, 100);
        for announced in [101, 126, 0xffff, 0x1_0000, 1 << 30, u64::MAX] {
            let bytes = [good.clone(), frame(0x81, announced, &[])].concat();
            assert_eq!(stops(100, &bytes, &[]), Some((good.len(), Violation::TooBig)), "{announced}");
        }
    }

    #[test]
    fn the_sum_of_fragments_is_bounded_and_so_is_their_number() {
        let fragments = [whole(0x01, 60), whole(0x89, 5), whole(0x00, 40), whole(0x00, 1)].concat();
        assert_eq!(stops(100, &fragments, &[]), Some((fragments.len() - 7, Violation::TooBig)));
        let fine = [whole(0x01, 60), whole(0x80, 40), whole(0x01, 60), whole(0x80, 40)].concat();
        assert_eq!(stops(100, &fine, &[]), None, "each message counts from zero");
        let mut many = whole(0x01, 0);
        (0..MIN_FRAGMENTS).for_each(|_| many.extend(whole(0x00, 0)));
        assert_eq!(stops(100, &many, &[]), Some((many.len() - 6, Violation::TooBig)));
    }

    #[test]
    fn what_is_no_client_frame_is_a_protocol_error() {
        let unmasked = vec![0x81, 0x01, b'x'];
        for bad in [
            whole(0xc1, 1),
            whole(0x91, 1),
            whole(0x83, 1),
            whole(0x8b, 1),
            whole(0x8f, 1),
            whole(0x80, 1),
            whole(0x09, 1),
            whole(0x89, 126),
            unmasked,
            [whole(0x01, 1), whole(0x81, 1)].concat(),
        ] {
            assert!(matches!(stops(1000, &bad, &[]), Some((_, Violation::Protocol))), "{bad:?}");
        }
    }

    fn any_stream() -> impl Strategy<Value = Vec<u8>> {
        let opcode = prop::sample::select(vec![0x81u8, 0x82, 0x89, 0x8a, 0x88, 0x01, 0x02, 0x00, 0x80, 0xc1, 0x83]);
        let one = (opcode, prop::sample::select(vec![0usize, 1, 50, 125, 126, 127, 200, 300]));
        prop::collection::vec(one, 1..6)
            .prop_map(|frames| frames.into_iter().flat_map(|(op, len)| whole(op, len)).collect())
    }

    proptest! {
        #[test]
        fn where_the_bytes_are_cut_changes_nothing(bytes in any_stream()) {
            let at_once = stops(250, &bytes, &[]);
            let one_by_one: Vec<usize> = (1..bytes.len()).collect();
            let split = stops(250, &bytes, &one_by_one);
            prop_assert_eq!(split.map(|s| s.1), at_once.map(|s| s.1));
            for cut in 0..bytes.len() {
                let cut = stops(250, &bytes, &[cut]);
                prop_assert_eq!(cut.map(|s| s.1), at_once.map(|s| s.1));
                // A header cut in two: its first part has been let through already.
                prop_assert!(cut.map(|s| s.0) >= at_once.map(|s| s.0));
            }
        }

        #[test]
        fn what_it_lets_through_the_parser_behind_it_understands(bytes in any_stream()) {
            use actix_http::ws::{Codec, Frame, ProtocolError};
            use bytes::BytesMut;
            use actix_codec::Decoder;
            let good = stops(250, &bytes, &[]).map_or(bytes.len(), |s| s.0);
            let mut buffer = BytesMut::from(&bytes[..good]);
            let mut codec = Codec::new().max_size(250);
            loop {
                match codec.decode(&mut buffer) {
                    Ok(Some(Frame::Close(_))) => {}
                    Ok(Some(_)) => {}
                    Ok(None) => break,
                    // A close payload is judged by the parser alone.
                    Err(ProtocolError::BadOpCode | ProtocolError::InvalidLength(1)) => {}
                    Err(e) => prop_assert!(false, "{e}"),
                }
            }
            prop_assert!(buffer.is_empty());
        }
    }
}
