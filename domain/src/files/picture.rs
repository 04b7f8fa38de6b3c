//! Images as they are kept: decoded within limits, turned upright and encoded anew, so that nothing else that was in the
//! file (where it was taken, a script behind the last pixel) is in what is served. Of an animation the first frame is
//! kept. Pure; to be called off the event loops.

use std::{
    io::Cursor,
    panic::{AssertUnwindSafe, catch_unwind},
};

use bytes::Bytes;
use image::{
    DynamicImage, ImageDecoder, ImageFormat, ImageReader, ImageResult, Limits as DecoderLimits, Rgb, RgbImage,
    codecs::{
        jpeg::JpegEncoder,
        png::{CompressionType, FilterType, PngEncoder},
    },
    imageops,
    metadata::Orientation,
};

/// Pixels of a thumbnail's longer side, and of an avatar's sides.
pub const THUMBNAIL: u32 = 320;
pub const AVATAR: u32 = 256;
/// No side may be longer: JPEG has no more.
const LONGEST: u32 = 65_535;
const JPEG_QUALITY: u8 = 85;
/// Bytes of a decoded pixel: red, green, blue, opacity.
const PIXEL: u64 = 4;
/// What a decoder may take beside the pixels.
const DECODER: u64 = 64 << 20;

/// How large a picture may be.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub pixels: u64,
    /// Of what is kept.
    pub bytes: usize,
}

/// An image as it is kept.
#[derive(Debug)]
pub struct Picture {
    pub file: Bytes,
    /// `image/jpeg` or `image/png`; the thumbnail's too.
    pub mime: &'static str,
    pub pixels: (u32, u32),
    pub thumbnail: Bytes,
}

/// Why an image is not taken.
#[derive(Debug, PartialEq, Eq)]
pub enum BadPicture {
    /// Damaged, cut off, or another format than it begins like.
    Unreadable,
    TooManyPixels,
    /// Even encoded anew.
    TooManyBytes,
}

/// Takes an image in. PNG and GIF stay without loss, and so does what is transparent somewhere, unless that is too
/// large; all else becomes JPEG.
pub fn take_in(bytes: &[u8], format: ImageFormat, limits: Limits) -> Result<Picture, BadPicture> {
    guarded(|| {
        let image = decode(bytes, format, limits)?;
        let lossless = matches!(format, ImageFormat::Png | ImageFormat::Gif) || is_transparent(&image);
        let (file, mime) = encode(&image, lossless, limits.bytes)?;
        let small = match image.width().max(image.height()) > THUMBNAIL {
            true => image.thumbnail(THUMBNAIL, THUMBNAIL),
            false => image.clone(),
        };
        let thumbnail = match mime {
            "image/png" => png(&small),
            _ => jpeg(&small),
        };
        let thumbnail = thumbnail.map_err(|_| BadPicture::Unreadable)?;
        Ok(Picture { file: file.into(), mime, pixels: (image.width(), image.height()), thumbnail: thumbnail.into() })
    })
}

/// The middle of an image, square and small, with its type.
pub fn avatar(bytes: &[u8], format: ImageFormat, limits: Limits) -> Result<(Bytes, &'static str), BadPicture> {
    guarded(|| {
        let image = decode(bytes, format, limits)?;
        let side = image.width().min(image.height());
        let (x, y) = ((image.width() - side) / 2, (image.height() - side) / 2);
        let square = image.crop_imm(x, y, side, side).resize_exact(AVATAR, AVATAR, imageops::FilterType::Triangle);
        let (file, mime) = encode(&square, is_transparent(&square), limits.bytes)?;
        Ok((file.into(), mime))
    })
}

/// A decoder that gives up by panicking has found the image damaged.
fn guarded<T>(work: impl FnOnce() -> Result<T, BadPicture>) -> Result<T, BadPicture> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(BadPicture::Unreadable))
}

/// The first frame, upright, 8 bits a channel. What the header says is looked at before anything is decoded.
fn decode(bytes: &[u8], format: ImageFormat, limits: Limits) -> Result<DynamicImage, BadPicture> {
    let unreadable = |_| BadPicture::Unreadable;
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut own = DecoderLimits::default();
    own.max_alloc = Some(limits.pixels.saturating_mul(PIXEL).saturating_add(DECODER));
    reader.limits(own);
    let mut decoder = reader.into_decoder().map_err(|e| match e {
        image::ImageError::Limits(_) => BadPicture::TooManyPixels,
        _ => BadPicture::Unreadable,
    })?;
    let (width, height) = decoder.dimensions();
    let too_large = u64::from(width) * u64::from(height) > limits.pixels || width.max(height) > LONGEST;
    if too_large || decoder.total_bytes() > limits.pixels.saturating_mul(PIXEL) {
        return Err(BadPicture::TooManyPixels);
    }
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut image = DynamicImage::from_decoder(decoder).map_err(unreadable)?;
    image.apply_orientation(orientation);
    Ok(match image.has_alpha() {
        true => image.into_rgba8().into(),
        false => image.into_rgb8().into(),
    })
}

fn is_transparent(image: &DynamicImage) -> bool {
    image.as_rgba8().is_some_and(|pixels| pixels.pixels().any(|pixel| pixel.0[3] < u8::MAX))
}

fn encode(image: &DynamicImage, lossless: bool, most: usize) -> Result<(Vec<u8>, &'static str), BadPicture> {
    if lossless {
        let file = png(image).map_err(|_| BadPicture::Unreadable)?;
        if file.len() <= most {
            return Ok((file, "image/png"));
        }
    }
    let file = jpeg(image).map_err(|_| BadPicture::Unreadable)?;
    if file.len() > most { Err(BadPicture::TooManyBytes) } else { Ok((file, "image/jpeg")) }
}

fn png(image: &DynamicImage) -> ImageResult<Vec<u8>> {
    let mut out = Vec::new();
    let encoder = PngEncoder::new_with_quality(&mut out, CompressionType::Fast, FilterType::Adaptive);
    image.write_with_encoder(encoder)?;
    Ok(out)
}

/// JPEG has no opacity: what is transparent is white.
fn jpeg(image: &DynamicImage) -> ImageResult<Vec<u8>> {
    let mut out = Vec::new();
    let encoder = JpegEncoder::new_with_quality(&mut out, JPEG_QUALITY);
    match image.as_rgba8() {
        None => image.write_with_encoder(encoder)?,
        Some(pixels) => {
            let opaque = RgbImage::from_fn(image.width(), image.height(), |x, y| {
                let [red, green, blue, opacity] = pixels.get_pixel(x, y).0;
                let over_white = |channel: u8| {
                    let sum = u16::from(channel) * u16::from(opacity) + 255 * (255 - u16::from(opacity));
                    u8::try_from(sum / 255).unwrap_or(u8::MAX)
                };
                Rgb([red, green, blue].map(over_white))
            });
            opaque.write_with_encoder(encoder)?;
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests;
