use proptest::prelude::*;

use super::*;

fn decoder() -> Decoder {
    Decoder::new(100)
}

/// A packet as a line.
fn show(packet: &Packet) -> String {
    match packet {
        Packet::Connect(auth) => format!("connect {auth:?}"),
        Packet::Disconnect => "disconnect".into(),
        Packet::Ack => "ack".into(),
        Packet::Elsewhere { namespace, connects } => format!("{namespace} {connects}"),
        Packet::Event(Event { name, argument, ack, attachments }) => {
            let lengths: Vec<usize> = attachments.iter().map(Bytes::len).collect();
            format!("{name} {} {ack:?} {lengths:?}", argument.as_deref().map_or("-", RawValue::get))
        }
    }
}

fn whole(text: &str) -> Option<String> {
    decoder().text(text).ok().flatten().as_ref().map(show)
}

#[test]
fn every_packet_of_a_client_is_read() {
    for (text, shown) in [
        ("0", "connect None"),
        ("0{}", r#"connect Some("{}")"#),
        ("0/,", "connect None"),
        (r#"0{"token":"t"}"#, r#"connect Some("{\"token\":\"t\"}")"#),
        ("0/admin,", "/admin true"),
        ("0/admin", "/admin true"),
        ("0/é", "/é true"),
        (r#"2/é,1["é"]"#, "/é false"),
        ("1", "disconnect"),
        (r#"2["hi"]"#, "hi - None []"),
        (r#"2["hi",{"a":[1]},2]"#, r#"hi {"a":[1]} None []"#),
        (r#"212["hi","x"]"#, r#"hi "x" Some("12") []"#),
        (r#"20["hi"]"#, r#"hi - Some("0") []"#),
        ("31[]", "ack"),
        (r#"2["\u00e9"]"#, "é - None []"),
    ] {
        assert_eq!(whole(text).as_deref(), Some(shown), "{text}");
    }
}

#[test]
fn what_is_none_is_refused() {
    let deep = format!(r#"2["hi",{}"#, "[".repeat(60_000));
    for text in [
        "",
        "abc",
        "é",
        "7",
        "4",
        "4{}",
        "0[]",
        "0{",
        "01",
        "0null",
        "0\"x\"",
        "1{}",
        "1[]",
        "12",
        "2",
        "2{}",
        "2[]",
        "2[1]",
        "2[null]",
        r#"2["a""#,
        r#"2["a"]x"#,
        r#"2abc["a"]"#,
        r#"2-1["a"]"#,
        r#"2+1["a"]"#,
        r#"212345678901234567["a"]"#,
        r#"2é["a"]"#,
        "3[]",
        "31",
        "31{}",
        "5",
        "5-",
        r#"5["a"]"#,
        r#"50-["a"]"#,
        r#"5-1["a"]"#,
        r#"5é-["a"]"#,
        r#"511-["a"]"#,
        r#"599999999999999999999-["a"]"#,
        r#"51["a"]"#,
        r#"51-{}"#,
        "61-[]",
        "61-",
        &deep,
    ] {
        let short: String = text.chars().take(30).collect();
        assert_eq!(whole(text), None, "{short}");
        assert!(decoder().text(text).is_err(), "{short}");
    }
}

#[test]
fn deep_nesting_is_carried_and_not_walked_by_the_stack() {
    let deep = format!(r#"2["hi",{}1{}]"#, "[".repeat(20_000), "]".repeat(20_000));
    // Refused or read, and nothing else.
    let _ = decoder().text(&deep);
}

#[test]
fn binary_parts_follow_their_packet_and_nothing_comes_between() {
    let mut decoder = decoder();
    assert!(matches!(decoder.text(r#"52-7["hi",{"_placeholder":true,"num":0}]"#), Ok(None)));
    assert!(matches!(decoder.binary(Bytes::from_static(b"abc")), Ok(None)));
    let packet = decoder.binary(Bytes::from_static(b"d")).unwrap().unwrap();
    assert_eq!(show(&packet), r#"hi {"_placeholder":true,"num":0} Some("7") [3, 1]"#);
    assert!(decoder.binary(Bytes::new()).is_err(), "one that belongs to nothing");
    assert!(matches!(decoder.text(r#"51-["hi"]"#), Ok(None)));
    assert!(decoder.text(r#"2["hi"]"#).is_err(), "a text in the middle of binary");
}

#[test]
fn binary_parts_are_bounded_together() {
    let mut one = decoder();
    one.text(r#"52-["hi"]"#).unwrap();
    one.binary(Bytes::from(vec![0; 60])).unwrap();
    assert!(one.binary(Bytes::from(vec![0; 41])).is_err());
    let mut fits = decoder();
    fits.text(r#"52-["hi"]"#).unwrap();
    fits.binary(Bytes::from(vec![0; 60])).unwrap();
    assert!(fits.binary(Bytes::from(vec![0; 40])).unwrap().is_some());
    for (count, fine) in [(1, true), (10, true), (11, false), (1_000_000, false)] {
        assert_eq!(decoder().text(&format!(r#"5{count}-["hi"]"#)).is_ok(), fine, "{count}");
    }
}

#[derive(Debug, Clone)]
enum Piece {
    Text(String),
    Binary(Vec<u8>),
}

fn any_piece() -> impl Strategy<Value = Piece> {
    let bit = prop::sample::select(vec![
        "0",
        "1",
        "2",
        "3",
        "5",
        "51-",
        "52-",
        "6",
        "/",
        ",",
        "é",
        "[",
        "]",
        "{",
        "}",
        "\"hi\"",
        "12",
        "null",
        "-",
        "\u{10ffff}",
        r#"["hi",{"_placeholder":true,"num":0}]"#,
        r#"["hi"]"#,
    ]);
    prop_oneof![
        prop::collection::vec(bit, 0..6).prop_map(|bits| Piece::Text(bits.concat())),
        prop::collection::vec(any::<u8>(), 0..60).prop_map(Piece::Binary),
    ]
}

proptest! {
    #[test]
    fn whatever_comes_in_whatever_order_is_read_or_refused_within_bounds(pieces in prop::collection::vec(any_piece(), 0..10)) {
        let mut decoder = decoder();
        for piece in pieces {
            let packet = match piece {
                Piece::Text(text) => decoder.text(&text),
                Piece::Binary(bytes) => decoder.binary(bytes.into()),
            };
            if let Ok(Some(Packet::Event(event))) = &packet {
                prop_assert!(event.attachments.len() <= MAX_ATTACHMENTS);
                prop_assert!(event.attachments.iter().map(Bytes::len).sum::<usize>() <= 100);
            }
            if packet.is_err() {
                // The connection ends.
                break;
            }
        }
    }

    #[test]
    fn a_packet_cut_anywhere_is_refused_or_another_and_never_a_panic(cut in 0usize..60) {
        let text = r#"51-12["send_message",{"room":"é€","image":{"_placeholder":true,"num":0}}]"#;
        let short: String = text.chars().take(cut).collect();
        if let Ok(packet) = decoder().text(&short) {
            prop_assert!(packet.is_none() == (short == text), "{short}");
        }
    }
}
