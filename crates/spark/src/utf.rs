//! Java's modified UTF-8: NUL has two bytes, and what lies beyond the first plane is two surrogates of three bytes each.

/// The text of such bytes. `None` for anything else, surrogates that are alone included.
pub(crate) fn decode(bytes: &[u8]) -> Option<String> {
    if bytes.is_ascii() && !bytes.contains(&0) {
        return std::str::from_utf8(bytes).ok().map(str::to_owned);
    }
    let mut units = Vec::with_capacity(bytes.len());
    let mut rest = bytes.iter().copied();
    while let Some(first) = rest.next() {
        let mut next = || rest.next().filter(|byte| byte & 0xC0 == 0x80).map(|byte| u16::from(byte & 0x3F));
        units.push(match first {
            0x01..=0x7F => u16::from(first),
            0xC0..=0xDF => u16::from(first & 0x1F) << 6 | next()?,
            0xE0..=0xEF => u16::from(first & 0x0F) << 12 | next()? << 6 | next()?,
            _ => return None,
        });
    }
    String::from_utf16(&units).ok()
}

/// The bytes of a text.
pub(crate) fn encode(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    for unit in text.encode_utf16() {
        let low = |shift: u32| (unit >> shift & 0x3F).to_be_bytes()[1];
        match unit {
            0x01..=0x7F => bytes.push(low(0) | (unit & 0x40).to_be_bytes()[1]),
            0 | 0x80..=0x7FF => bytes.extend([0xC0 | low(6), 0x80 | low(0)]),
            _ => bytes.extend([0xE0 | low(12), 0x80 | low(6), 0x80 | low(0)]),
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_in_modified_utf8() {
        for (bytes, text) in [
            (&b"plain"[..], Some("plain")),
            (b"", Some("")),
            (b"a\xC0\x80b", Some("a\0b")),
            (b"\xC3\xA9\xE2\x82\xAC", Some("é€")),
            (b"\xED\xA0\xBD\xED\xB8\x80", Some("\u{1F600}")),
            (b"\x7F\xDF\xBF\xE0\xA0\x80\xEF\xBF\xBF", Some("\u{7F}\u{7FF}\u{800}\u{FFFF}")),
            (b"\xED\xA0\xBD", None),
            (b"\xF0\x9F\x98\x80", None),
            (b"\xC3", None),
            (b"\x80", None),
            (b"\0", None),
        ] {
            assert_eq!(decode(bytes).as_deref(), text, "{bytes:?}");
            if let Some(text) = text {
                assert_eq!(encode(text), bytes, "{text:?}");
            }
        }
    }
}
