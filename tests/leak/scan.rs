//! The search for canaries: in files and traffic, in every form that a careless program might store them in.
//!
//! Looked for are the canary itself, base64 (at each of the three alignments, also across line breaks), quoted-printable,
//! hexadecimal in both cases, UTF-16 in both byte orders, and any of these inside zlib, gzip or OpenPGP-compressed data.

use std::collections::HashMap;
use std::fs;
use std::io::{ErrorKind, Read};
use std::path::Path;

use data_encoding::{BASE64, HEXLOWER, HEXUPPER};
use flate2::read::{DeflateDecoder, GzDecoder, ZlibDecoder};

/// Where a canary may hide.
pub(crate) const FORMS: [&str; 9] =
    ["raw", "base64", "quoted-printable", "hex", "HEX", "utf-16le", "utf-16be", "deflated", "split"];

/// A canary that was found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Found {
    pub(crate) place: String,
    pub(crate) canary: String,
    pub(crate) form: &'static str,
}

/// Looks for these canaries.
pub(crate) struct Scanner {
    needles: Vec<(Vec<u8>, String, &'static str)>,
    /// The needles by their first two bytes.
    starts: HashMap<[u8; 2], Vec<usize>>,
    /// Whether any needle starts so: quicker than the map.
    likely: Vec<bool>,
}

impl Scanner {
    pub(crate) fn new(canaries: &[&str]) -> Self {
        let mut needles = Vec::new();
        for canary in canaries {
            let mut add = |needle: Vec<u8>, form| needles.push((needle, (*canary).to_owned(), form));
            add(canary.as_bytes().to_vec(), "raw");
            (0..3).for_each(|shift| add(base64_at(canary, shift), "base64"));
            add(HEXLOWER.encode(canary.as_bytes()).into_bytes(), "hex");
            add(HEXUPPER.encode(canary.as_bytes()).into_bytes(), "HEX");
            add(canary.encode_utf16().flat_map(u16::to_le_bytes).collect(), "utf-16le");
            add(canary.encode_utf16().flat_map(u16::to_be_bytes).collect(), "utf-16be");
        }
        let mut starts: HashMap<[u8; 2], Vec<usize>> = HashMap::new();
        let mut likely = vec![false; 1 << 16];
        for (index, (needle, ..)) in needles.iter().enumerate() {
            starts.entry([needle[0], needle[1]]).or_default().push(index);
            likely[usize::from(u16::from_be_bytes([needle[0], needle[1]]))] = true;
        }
        Self { needles, starts, likely }
    }

    /// Everything below a folder, names of files included.
    pub(crate) fn tree(&self, folder: &Path) -> Vec<Found> {
        let mut found = Vec::new();
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.display().to_string();
            found.extend(self.bytes(&format!("the name of {name}"), name.as_bytes()));
            // A daemon at work may have taken a file away meanwhile.
            let kind = match fs::symlink_metadata(&path) {
                Err(e) if e.kind() == ErrorKind::NotFound => continue,
                meta => meta.unwrap().file_type(),
            };
            if kind.is_dir() {
                found.extend(self.tree(&path));
            } else if kind.is_file() {
                match fs::read(&path) {
                    Err(e) if e.kind() == ErrorKind::NotFound => {}
                    bytes => found.extend(self.bytes(&name, &bytes.unwrap())),
                }
            }
        }
        found
    }

    /// Some bytes.
    pub(crate) fn bytes(&self, place: &str, bytes: &[u8]) -> Vec<Found> {
        let mut found = Vec::new();
        let mut add = |index: usize, as_form: Option<&'static str>| {
            let (_, canary, form) = &self.needles[index];
            let form = as_form.unwrap_or(form);
            found.push(Found { place: place.to_owned(), canary: canary.clone(), form });
        };
        self.each(bytes, |index| add(index, None));
        let joined: Vec<u8> = bytes.iter().copied().filter(|b| !matches!(b, b'\r' | b'\n')).collect();
        self.each(&joined, |index| {
            add(index, Some(if self.needles[index].2 == "raw" { "split" } else { self.needles[index].2 }))
        });
        self.each(&unquoted(bytes), |index| add(index, Some("quoted-printable")));
        for inflated in inflated(bytes) {
            self.each(&inflated, |index| add(index, Some("deflated")));
        }
        // What is found in the bytes as they are is found in the other readings of them too, and counts once.
        let direct = |f: &Found| !matches!(f.form, "split" | "quoted-printable" | "deflated");
        let seen: Vec<String> = found.iter().filter(|f| direct(f)).map(|f| f.canary.clone()).collect();
        found.retain(|f| direct(f) || f.form == "deflated" || !seen.contains(&f.canary));
        found.sort();
        found.dedup();
        found
    }

    fn each(&self, bytes: &[u8], mut found: impl FnMut(usize)) {
        for (at, pair) in bytes.windows(2).enumerate() {
            if !self.likely[usize::from(u16::from_be_bytes([pair[0], pair[1]]))] {
                continue;
            }
            for index in &self.starts[&[pair[0], pair[1]]] {
                if bytes[at..].starts_with(&self.needles[*index].0) {
                    found(*index);
                }
            }
        }
    }
}

/// What of a canary's base64 does not depend on its neighbours, when it starts `shift` bytes into a group of three.
fn base64_at(canary: &str, shift: usize) -> Vec<u8> {
    let bytes = [&[0; 2][..shift], canary.as_bytes(), &[0; 3]].concat();
    let text = BASE64.encode(&bytes[..bytes.len() / 3 * 3]);
    let first = (shift * 8).div_ceil(6);
    let end = (shift + canary.len()) * 8 / 6;
    text.as_bytes()[first..end].to_vec()
}

/// Quoted-printable undone (RFC 2045 §6.7), whatever the bytes are.
fn unquoted(bytes: &[u8]) -> Vec<u8> {
    let digit = |at: usize| bytes.get(at).and_then(|b| char::from(*b).to_digit(16));
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let rest = &bytes[at..];
        if rest.starts_with(b"=\r\n") {
            at += 3;
        } else if rest.starts_with(b"=\n") {
            at += 2;
        } else if let (b'=', Some(high), Some(low)) = (byte, digit(at + 1), digit(at + 2)) {
            out.push(u8::try_from(high * 16 + low).unwrap());
            at += 3;
        } else {
            out.push(byte);
            at += 1;
        }
    }
    out
}

/// Whatever unpacks, wherever it starts: zlib and gzip by their headers, raw deflate where an OpenPGP compressed packet
/// (RFC 9580 §5.6) may start.
fn inflated(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for at in 0..bytes.len() {
        let rest = &bytes[at..];
        let unpacked = match rest {
            [0x78, 0x01 | 0x5e | 0x9c | 0xda, ..] => unpack(ZlibDecoder::new(rest)),
            [0x1f, 0x8b, 8, ..] => unpack(GzDecoder::new(rest)),
            // Old format: tag and length of 0, 1, 2 or 4 bytes, then the algorithm: 1 is raw deflate.
            [0xa3, 1, packed @ ..] | [0xa0, _, 1, packed @ ..] | [0xa1, _, _, 1, packed @ ..] => {
                unpack(DeflateDecoder::new(packed))
            }
            [0xa2, _, _, _, _, 1, packed @ ..] => unpack(DeflateDecoder::new(packed)),
            [0xc8, 0..=191, 1, packed @ ..] | [0xc8, 224..=254, 1, packed @ ..] => {
                unpack(DeflateDecoder::new(packed))
            }
            [0xc8, 192..=223, _, 1, packed @ ..] | [0xc8, 255, _, _, _, _, 1, packed @ ..] => {
                unpack(DeflateDecoder::new(packed))
            }
            _ => continue,
        };
        if unpacked.len() > 16 {
            all.push(unpacked);
        }
    }
    all
}

/// As much as unpacks before an error, at most 4 MiB.
fn unpack(mut packed: impl Read) -> Vec<u8> {
    let mut out = Vec::new();
    let mut piece = [0; 8192];
    while let Ok(read) = packed.read(&mut piece) {
        if read == 0 || out.len() > 4 << 20 {
            break;
        }
        out.extend_from_slice(&piece[..read]);
    }
    out
}

/// A canary in one form, as something careless would have written it.
pub(crate) fn planted(canary: &str, form: &str, shift: usize) -> Vec<u8> {
    let text = format!("{}{canary} and more", "x".repeat(shift));
    let bytes = text.as_bytes();
    match form {
        "raw" => bytes.to_vec(),
        // Lines so short that the canary is broken in the middle.
        "base64" => broken(BASE64.encode(bytes).as_bytes(), 11),
        "quoted-printable" => {
            let quoted: String = bytes.iter().map(|b| format!("={b:02X}")).collect();
            quoted.as_bytes().chunks(33).flat_map(|line| [line, b"=\r\n"].concat()).collect()
        }
        "hex" => broken(HEXLOWER.encode(bytes).as_bytes(), 32),
        "HEX" => HEXUPPER.encode(bytes).into_bytes(),
        "utf-16le" => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        "utf-16be" => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        "deflated" => deflated(bytes, shift),
        "split" => broken(bytes, 9),
        other => panic!("no form {other}"),
    }
}

fn broken(text: &[u8], width: usize) -> Vec<u8> {
    text.chunks(width).flat_map(|line| [line, b"\r\n"].concat()).collect()
}

/// zlib, gzip, and an OpenPGP compressed packet, in turn.
fn deflated(bytes: &[u8], which: usize) -> Vec<u8> {
    let level = flate2::Compression::default();
    let mut out = vec![0xa3, 1];
    match which {
        0 => {
            out.clear();
            flate2::read::ZlibEncoder::new(bytes, level).read_to_end(&mut out).unwrap();
        }
        1 => {
            out.clear();
            flate2::read::GzEncoder::new(bytes, level).read_to_end(&mut out).unwrap();
        }
        _ => {
            flate2::read::DeflateEncoder::new(bytes, level).read_to_end(&mut out).unwrap();
        }
    }
    out
}
