//! What a file is, by its first bytes, and what it may be called. What its sender says of it is not believed.

use image::ImageFormat;

/// Characters of a name that are kept.
const NAME: usize = 100;
/// What a file is called whose name says nothing.
const NAMELESS: &str = "file";
/// A file of which nothing is known (RFC 2046 §4.5.1).
const UNKNOWN: &str = "application/octet-stream";

#[derive(Debug, PartialEq, Eq)]
pub enum Kind {
    /// To be decoded.
    Picture(ImageFormat),
    /// Kept as it is, and only ever downloaded.
    Other(&'static str),
}

/// What a file with these first bytes is.
pub fn sniff(bytes: &[u8]) -> Kind {
    let mime = infer::get(bytes).map(|kind| kind.mime_type());
    match mime {
        Some("image/png") => Kind::Picture(ImageFormat::Png),
        Some("image/jpeg") => Kind::Picture(ImageFormat::Jpeg),
        Some("image/gif") => Kind::Picture(ImageFormat::Gif),
        Some("image/webp") => Kind::Picture(ImageFormat::WebP),
        // Pages, drawings with scripts in them, scripts: text, to whoever looks at the type.
        Some(mime) if mime.starts_with("text/") || mime.contains("xml") => Kind::Other("text/plain"),
        Some(mime) => Kind::Other(mime),
        None if is_text(bytes) => Kind::Other("text/plain"),
        None => Kind::Other(UNKNOWN),
    }
}

fn is_text(bytes: &[u8]) -> bool {
    str::from_utf8(bytes).is_ok_and(|text| !text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')))
}

/// A name without a path, without what cannot be seen or turns the text around, and not hidden.
pub fn clean_name(given: &str) -> String {
    let last = given.rsplit(['/', '\\']).next().unwrap_or_default();
    let seen = |c: &char| {
        !c.is_control()
            && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    let name: String = last.chars().filter(seen).collect();
    let name = name.trim().trim_start_matches('.').trim_end_matches(['.', ' ']);
    let length = name.chars().count();
    if name.is_empty() {
        return NAMELESS.into();
    }
    if length <= NAME {
        return name.into();
    }
    // The ending says what it is to be opened with.
    let ending = match name.rfind('.').map(|dot| &name[dot..]) {
        Some(ending) if ending.chars().count() <= 10 => ending,
        _ => "",
    };
    let kept = NAME - ending.chars().count();
    name.chars().take(kept).chain(ending.chars()).collect()
}

/// The name of an image that was encoded anew, with the ending of what it has become.
pub fn picture_name(name: &str, mime: &str) -> String {
    let stem = match name.rsplit_once('.') {
        Some((stem, ending)) if !stem.is_empty() && ending.len() <= 5 => stem,
        _ => name,
    };
    format!("{stem}.{}", ending(mime))
}

/// `png` or `jpg`.
pub fn ending(mime: &str) -> &'static str {
    if mime == "image/png" { "png" } else { "jpg" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_what_it_begins_with_and_a_page_is_text() {
        for (bytes, kind) in [
            (&b"\x89PNG\r\n\x1a\n...."[..], Kind::Picture(ImageFormat::Png)),
            (b"\xff\xd8\xff\xe0....", Kind::Picture(ImageFormat::Jpeg)),
            (b"GIF89a....", Kind::Picture(ImageFormat::Gif)),
            (b"RIFF....WEBPVP8 ", Kind::Picture(ImageFormat::WebP)),
            (b"%PDF-1.7", Kind::Other("application/pdf")),
            (b"<!DOCTYPE html><script>alert(1)</script>", Kind::Other("text/plain")),
            (b"<html><body onload=x()>", Kind::Other("text/plain")),
            (b"<?xml version=\"1.0\"?><svg xmlns=\"x\" onload=\"x()\"/>", Kind::Other("text/plain")),
            (b"<svg xmlns=\"x\" onload=\"x()\"/>", Kind::Other("text/plain")),
            (b"#!/bin/sh\nrm", Kind::Other("text/plain")),
            (b"hello\n", Kind::Other("text/plain")),
            (b"\x00\x01\x02", Kind::Other(UNKNOWN)),
        ] {
            assert_eq!(sniff(bytes), kind, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn a_name_is_no_path_and_shows_what_it_is() {
        for (given, kept) in [
            ("photo.png", "photo.png"),
            ("../../etc/passwd", "passwd"),
            ("C:\\Users\\a\\b.txt", "b.txt"),
            ("/", NAMELESS),
            ("", NAMELESS),
            ("..", NAMELESS),
            (".htaccess", "htaccess"),
            ("a\r\nSet-Cookie: x", "aSet-Cookie: x"),
            ("gpj.\u{202e}exe", "gpj.exe"),
            ("é ü.pdf ", "é ü.pdf"),
        ] {
            assert_eq!(clean_name(given), kept, "{given:?}");
        }
        let long = clean_name(&format!("{}.jpeg", "é".repeat(500)));
        assert!(long.chars().count() == NAME && long.ends_with("é.jpeg"), "{long}");
        assert_eq!(clean_name(&format!("a.{}", "b".repeat(500))).chars().count(), NAME);
        assert_eq!(picture_name("photo.webp", "image/jpeg"), "photo.jpg");
        assert_eq!(picture_name("photo", "image/png"), "photo.png");
    }
}
