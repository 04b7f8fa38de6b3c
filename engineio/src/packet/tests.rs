use proptest::prelude::*;

use super::*;

const SIZES: Sizes = Sizes { text: 100, binary: 200 };

fn parse(body: &str) -> Result<Vec<Packet>, Malformed> {
    payload(Bytes::copy_from_slice(body.as_bytes()), SIZES).map(Vec::from)
}

fn message(text: &str) -> Packet {
    Packet::Text(text.into())
}

#[test]
fn a_payload_is_its_packets_in_order() {
    assert_eq!(parse("4hello"), Ok(vec![message("hello")]));
    assert_eq!(parse("4"), Ok(vec![message("")]));
    let mixed = vec![message("é€"), Packet::Binary(Bytes::from_static(&[1, 2, 3, 4])), Packet::Pong, Packet::Close];
    assert_eq!(parse("4é€\x1ebAQIDBA==\x1e3\x1e1"), Ok(mixed));
    assert_eq!(parse("6\x1eb"), Ok(vec![Packet::Noop, Packet::Binary(Bytes::new())]));
}

#[test]
fn what_is_no_packet_of_a_client_spoils_the_payload() {
    for bad in [
        "",
        "\x1e",
        "4a\x1e",
        "\x1e4a",
        "abc",
        "é4a",
        "0",
        "0{}",
        "1x",
        "2",
        "2x",
        "3probe",
        "3x",
        "5x",
        "6x",
        "7",
        "bé",
        "b!",
        "bAQI",
        "bAQIDBA",
        "bAQIDBA=",
        "b====",
        "bAQID BA==",
        "2probe",
        "5",
    ] {
        assert_eq!(parse(bad), Err(Malformed), "{bad:?}");
    }
    assert_eq!(payload(Bytes::from_static(b"4\xff"), SIZES), Err(Malformed));
    assert_eq!(payload(Bytes::from_static(b"4\xe2\x82"), SIZES), Err(Malformed));
}

#[test]
fn messages_and_their_number_are_bounded() {
    assert!(parse(&format!("4{}", "x".repeat(100))).is_ok());
    assert_eq!(parse(&format!("4{}", "x".repeat(101))), Err(Malformed));
    let encoded = |bytes: usize| format!("b{}", STANDARD.encode(vec![7; bytes]));
    assert!(parse(&encoded(200)).is_ok());
    assert_eq!(parse(&encoded(201)), Err(Malformed));
    let largest = format!("4{}\x1e{}", "x".repeat(100), encoded(200));
    assert!(parse(&largest).is_ok() && largest.len() == body_bytes(SIZES));
    assert!(parse(&vec!["4"; MAX_PACKETS].join("\x1e")).is_ok());
    assert_eq!(parse(&vec!["4"; MAX_PACKETS + 1].join("\x1e")), Err(Malformed));
}

#[test]
fn an_answer_has_as_many_packets_as_fit_and_one_at_least() {
    let frames = |texts: &[&str]| texts.iter().map(|t| text(t)).collect::<VecDeque<_>>();
    assert_eq!(body(&frames(&["one", "two"]), 100), (b"4one\x1e4two".to_vec(), 2));
    assert_eq!(body(&frames(&["one", "two"]), 9), (b"4one\x1e4two".to_vec(), 2));
    assert_eq!(body(&frames(&["one", "two"]), 8), (b"4one".to_vec(), 1));
    assert_eq!(body(&frames(&["longer than that"]), 3), (b"4longer than that".to_vec(), 1));
    let long = "x".repeat(70_000);
    let (answer, taken) = body(&frames(&[&long]), 1_000_000);
    assert_eq!((answer.len(), taken), (70_001, 1));
    let others = VecDeque::from([
        socket::outbound::ping_frame(b"p"),
        binary(&[1, 2, 3, 4]),
        socket::outbound::close_frame(socket::CloseCode::Restart),
    ]);
    assert_eq!(body(&others, 100), (b"bAQIDBA==\x1e1".to_vec(), 3));
}

fn any_body() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        prop::sample::select(vec!["4", "b", "\x1e", "1", "2probe", "é", "[[[", "=", "AQID", "\u{10ffff}", "5", "451-"])
            .prop_map(|s| s.as_bytes().to_vec()),
        prop::collection::vec(any::<u8>(), 0..4),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn whatever_comes_is_parsed_or_refused(body in any_body()) {
        if let Ok(packets) = payload(body.clone().into(), SIZES) {
            prop_assert!(!packets.is_empty() && packets.len() <= MAX_PACKETS);
            let spelt: Vec<String> = packets.iter().map(|packet| match packet {
                Packet::Text(text) => format!("4{text}"),
                Packet::Binary(bytes) => format!("b{}", STANDARD.encode(bytes)),
                Packet::Close => "1".into(),
                Packet::Pong => "3".into(),
                Packet::Noop => "6".into(),
                Packet::Probe | Packet::Upgrade => unreachable!(),
            }).collect();
            prop_assert_eq!(spelt.join("\x1e").into_bytes(), body);
        }
    }

    #[test]
    fn what_is_answered_a_client_reads_as_it_was_sent(texts in prop::collection::vec("[^\x1e]{0,200}", 1..8), most in 1usize..400) {
        let mut frames: VecDeque<Bytes> = texts.iter().map(|t| text(t)).collect();
        let mut read = Vec::new();
        while !frames.is_empty() {
            let (answer, taken) = body(&frames, most);
            prop_assert!(taken > 0 && (taken == 1 || answer.len() <= most));
            let answer = String::from_utf8(answer).unwrap();
            read.extend(answer.split('\x1e').map(|packet| packet[1..].to_owned()));
            frames.drain(..taken);
        }
        prop_assert_eq!(read, texts);
    }
}
