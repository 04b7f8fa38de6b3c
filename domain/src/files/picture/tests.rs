//! Images made for it, and what becomes of them.

use image::{Rgba, RgbaImage, codecs::gif::GifEncoder};

use super::*;

const LIMITS: Limits = Limits { pixels: 1_000_000, bytes: 1 << 20 };

/// Red on its left, blue on its right; `opacity` in its upper half, none transparent below.
fn image(width: u32, height: u32, opacity: u8) -> DynamicImage {
    RgbaImage::from_fn(width, height, |x, y| {
        let (red, blue) = if x < width / 2 { (255, 0) } else { (0, 255) };
        Rgba([red, 0, blue, if y < height / 2 { opacity } else { 255 }])
    })
    .into()
}

fn encoded(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut out = Cursor::new(Vec::new());
    match format {
        ImageFormat::Jpeg => DynamicImage::from(image.to_rgb8()).write_to(&mut out, format).unwrap(),
        _ => image.write_to(&mut out, format).unwrap(),
    }
    out.into_inner()
}

fn pixel(file: &[u8], x: u32, y: u32) -> [u8; 4] {
    image::load_from_memory(file).unwrap().into_rgba8().get_pixel(x, y).0
}

/// Within what JPEG loses.
fn is_near(one: [u8; 4], other: [u8; 4]) -> bool {
    one.iter().zip(other).all(|(a, b)| a.abs_diff(b) < 40)
}

/// A JPEG that says how it is to be turned, and where it was taken.
fn photo(orientation: u8) -> Vec<u8> {
    let plain = encoded(&image(80, 40, 255), ImageFormat::Jpeg);
    let mut exif = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    exif.extend([orientation, 0, 0, 0, 0, 0, 0]);
    exif.extend(b"GPS 52.5200N 13.4050E");
    let mut out = plain[..2].to_vec();
    out.extend([0xff, 0xe1]);
    out.extend(u16::try_from(exif.len() + 2).unwrap().to_be_bytes());
    out.extend(exif);
    out.extend(&plain[2..]);
    out
}

/// A PNG of these sides as its header says it, and no pixels.
fn bomb(width: u32, height: u32) -> Vec<u8> {
    let chunk = |kind: &[u8], data: &[u8]| {
        let body = [kind, data].concat();
        let crc = !body.iter().fold(!0u32, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
        });
        [&u32::try_from(data.len()).unwrap().to_be_bytes()[..], &body, &crc.to_be_bytes()].concat()
    };
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 6, 0, 0, 0]].concat();
    [
        b"\x89PNG\r\n\x1a\n".to_vec(),
        chunk(b"IHDR", &header),
        chunk(b"IDAT", b"x\x9c\x03\0\0\0\0\x01"),
        chunk(b"IEND", b""),
    ]
    .concat()
}

#[test]
fn every_format_is_taken_in_and_has_a_thumbnail() {
    for (format, opacity, mime) in [
        (ImageFormat::Png, 255, "image/png"),
        (ImageFormat::Png, 9, "image/png"),
        (ImageFormat::Gif, 255, "image/png"),
        (ImageFormat::Jpeg, 255, "image/jpeg"),
        (ImageFormat::WebP, 255, "image/jpeg"),
        (ImageFormat::WebP, 9, "image/png"),
    ] {
        let picture = take_in(&encoded(&image(640, 100, opacity), format), format, LIMITS).unwrap();
        assert_eq!((picture.mime, picture.pixels), (mime, (640, 100)), "{format:?}");
        assert!(is_near(pixel(&picture.file, 10, 90), [255, 0, 0, 255]), "{format:?}");
        assert!(is_near(pixel(&picture.file, 630, 90), [0, 0, 255, 255]), "{format:?}");
        let small = image::load_from_memory(&picture.thumbnail).unwrap();
        assert_eq!((small.width(), small.height()), (320, 50), "{format:?}");
    }
    let tiny = take_in(&encoded(&image(2, 2, 255), ImageFormat::Png), ImageFormat::Png, LIMITS).unwrap();
    assert_eq!(image::load_from_memory(&tiny.thumbnail).unwrap().width(), 2, "nothing is made larger");
}

#[test]
fn a_photo_is_upright_and_does_not_say_where_it_was_taken() {
    let plain = take_in(&photo(1), ImageFormat::Jpeg, LIMITS).unwrap();
    assert_eq!(plain.pixels, (80, 40));
    let turned = take_in(&photo(6), ImageFormat::Jpeg, LIMITS).unwrap();
    assert_eq!(turned.pixels, (40, 80), "turned to the right");
    assert!(is_near(pixel(&turned.file, 20, 5), [255, 0, 0, 255]), "its left is its top");
    for file in [turned.file, turned.thumbnail, avatar(&photo(6), ImageFormat::Jpeg, LIMITS).unwrap().0] {
        for told in [&b"GPS"[..], b"Exif"] {
            assert!(!file.windows(told.len()).any(|window| window == told));
        }
    }
}

#[test]
fn what_is_behind_the_pixels_is_gone() {
    let mut polyglot = encoded(&image(20, 20, 255), ImageFormat::Png);
    polyglot.extend(b"PK\x03\x04<script>alert(1)</script>");
    let picture = take_in(&polyglot, ImageFormat::Png, LIMITS).unwrap();
    assert!(!picture.file.windows(8).any(|window| window == b"<script>"));
}

#[test]
fn an_animation_is_its_first_frame() {
    let mut bytes = Vec::new();
    let mut encoder = GifEncoder::new(&mut bytes);
    for opacity in [255, 0] {
        encoder.encode_frame(image::Frame::new(image(10, 10, opacity).into_rgba8())).unwrap();
    }
    drop(encoder);
    let picture = take_in(&bytes, ImageFormat::Gif, LIMITS).unwrap();
    assert!(is_near(pixel(&picture.file, 1, 1), [255, 0, 0, 255]));
}

#[test]
fn a_bomb_is_refused_by_its_header() {
    let limits = Limits { pixels: 40_000_000, bytes: 10 << 20 };
    for (width, height) in [(50_000, 50_000), (u32::MAX >> 1, 1), (65_536, 1), (40_001, 1000)] {
        let why = take_in(&bomb(width, height), ImageFormat::Png, limits).unwrap_err();
        assert_eq!(why, BadPicture::TooManyPixels, "{width}×{height}");
    }
    let almost = Limits { pixels: 640 * 100 - 1, ..LIMITS };
    for format in [ImageFormat::Png, ImageFormat::Gif, ImageFormat::Jpeg, ImageFormat::WebP] {
        let file = encoded(&image(640, 100, 255), format);
        assert_eq!(take_in(&file, format, almost).unwrap_err(), BadPicture::TooManyPixels, "{format:?}");
    }
}

#[test]
fn what_is_damaged_or_another_format_is_refused() {
    for format in [ImageFormat::Png, ImageFormat::Gif, ImageFormat::WebP] {
        let file = encoded(&image(300, 300, 255), format);
        assert_eq!(take_in(&file[..file.len() / 2], format, LIMITS).unwrap_err(), BadPicture::Unreadable, "{format:?}");
    }
    assert_eq!(take_in(&bomb(10, 10), ImageFormat::Png, LIMITS).unwrap_err(), BadPicture::Unreadable, "no pixels");
    let jpeg = encoded(&image(30, 30, 255), ImageFormat::Jpeg);
    assert_eq!(take_in(&jpeg, ImageFormat::Png, LIMITS).unwrap_err(), BadPicture::Unreadable);
    for garbage in [&b""[..], b"\xff\xd8\xff", b"\xff\xd8\xff\xe0\0\x10JFIF", b"RIFF\xff\xff\xff\xffWEBPVP8 \xff"] {
        for format in [ImageFormat::Png, ImageFormat::Gif, ImageFormat::Jpeg, ImageFormat::WebP] {
            assert!(take_in(garbage, format, LIMITS).is_err(), "{format:?} {}", garbage.escape_ascii());
        }
    }
}

#[test]
fn what_would_be_too_large_without_loss_loses_some_and_is_refused_only_then() {
    let noise = RgbaImage::from_fn(300, 300, |x, y| {
        let mixed = (x * 7919 + y * 104_729).wrapping_mul(2_654_435_761);
        let [red, green, blue, opacity] = mixed.to_be_bytes();
        Rgba([red, green, blue, opacity])
    });
    let file = encoded(&noise.into(), ImageFormat::Png);
    let lossy = take_in(&file, ImageFormat::Png, Limits { bytes: file.len() / 2, ..LIMITS }).unwrap();
    assert_eq!(lossy.mime, "image/jpeg");
    let why = take_in(&file, ImageFormat::Png, Limits { bytes: 1000, ..LIMITS }).unwrap_err();
    assert_eq!(why, BadPicture::TooManyBytes);
}

#[test]
fn an_avatar_is_the_square_in_the_middle() {
    let (file, mime) = avatar(&encoded(&image(600, 100, 255), ImageFormat::Png), ImageFormat::Png, LIMITS).unwrap();
    let made = image::load_from_memory(&file).unwrap();
    assert_eq!((mime, made.width(), made.height()), ("image/jpeg", AVATAR, AVATAR));
    assert!(is_near(pixel(&file, 5, 200), [255, 0, 0, 255]) && is_near(pixel(&file, 250, 200), [0, 0, 255, 255]));
    let (_, mime) = avatar(&encoded(&image(3, 9, 9), ImageFormat::WebP), ImageFormat::WebP, LIMITS).unwrap();
    assert_eq!(mime, "image/png");
}
