//! The encodings that a file may have, found and undone as a stream: files are longer than memory.

use std::io::{self, Read};

/// What a file's bytes are read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8.
    Utf8,
    /// Windows code page 1252.
    Cp1252,
}

/// The first byte, from 1, at which what is read is not UTF-8; `None` where all of it is.
///
/// # Errors
/// Where it cannot be read.
pub fn not_utf8(mut from: impl Read) -> io::Result<Option<u64>> {
    let mut buffer = vec![0; 64 << 10];
    // Bytes at the start of the buffer that begin a character, and how many came before them.
    let (mut begun, mut before) = (0, 0u64);
    loop {
        let read = match from.read(&mut buffer[begun..]) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read?,
        };
        let held = begun + read;
        match std::str::from_utf8(&buffer[..held]) {
            Ok(_) => (begun, before) = (0, before + held as u64),
            Err(error) if error.error_len().is_none() && read > 0 => {
                let whole = error.valid_up_to();
                buffer.copy_within(whole..held, 0);
                (begun, before) = (held - whole, before + whole as u64);
            }
            Err(error) => return Ok(Some(before + error.valid_up_to() as u64 + 1)),
        }
        if read == 0 {
            return Ok(None);
        }
    }
}

/// What is read, as UTF-8. Bytes that CP1252 leaves undefined become U+FFFD.
pub fn utf8<R: Read>(encoding: Encoding, from: R) -> Utf8<R> {
    Utf8 { encoding, from, bytes: vec![0; 16 << 10], text: Vec::new(), given: 0 }
}

/// A reader of UTF-8, made by [`utf8`].
#[derive(Debug)]
pub struct Utf8<R> {
    encoding: Encoding,
    from: R,
    bytes: Vec<u8>,
    text: Vec<u8>,
    given: usize,
}

impl<R: Read> Read for Utf8<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.encoding == Encoding::Utf8 {
            return self.from.read(out);
        }
        if self.given == self.text.len() {
            let read = self.from.read(&mut self.bytes)?;
            self.text.clear();
            self.given = 0;
            for byte in &self.bytes[..read] {
                self.text.extend_from_slice(cp1252(*byte).encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
        let count = (&self.text[self.given..]).read(out)?;
        self.given += count;
        Ok(count)
    }
}

/// A byte of Windows code page 1252, which differs from Latin-1 in 0x80 to 0x9F only.
fn cp1252(byte: u8) -> char {
    const HIGH: [char; 32] = [
        '€', '\u{fffd}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{fffd}', 'Ž', '\u{fffd}',
        '\u{fffd}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{fffd}', 'ž', 'Ÿ',
    ];
    match byte {
        0x80..=0x9f => HIGH[usize::from(byte - 0x80)],
        _ => char::from(byte),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Gives a few bytes at a time, as a network does.
    struct Slow<'a>(&'a [u8], usize);

    impl Read for Slow<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let count = self.1.min(out.len());
            self.0.read(&mut out[..count])
        }
    }

    #[test]
    fn cp1252_becomes_utf8() {
        let mut text = String::new();
        utf8(Encoding::Cp1252, &b"Zo\xeb O\x92Neill \x80 \x81"[..]).read_to_string(&mut text).unwrap();
        assert_eq!(text, "Zoë O’Neill € \u{fffd}");
    }

    proptest! {
        #[test]
        fn what_is_not_utf8_is_found_however_it_is_cut(
            text in "[a-zë€😀]{0,40}",
            wrong in proptest::option::of((0usize..100, 0x80u8..)),
            size in 1usize..7,
        ) {
            let mut bytes = text.into_bytes();
            if let Some((place, byte)) = wrong {
                let place = place % (bytes.len() + 1);
                bytes.insert(place, byte);
            }
            let expected = std::str::from_utf8(&bytes).err().map(|error| error.valid_up_to() as u64 + 1);
            prop_assert_eq!(not_utf8(Slow(&bytes, size)).unwrap(), expected);
        }

        #[test]
        fn every_byte_of_cp1252_is_one_character(bytes in prop::collection::vec(any::<u8>(), 0..200), size in 1usize..7) {
            let mut text = String::new();
            utf8(Encoding::Cp1252, Slow(&bytes, size)).read_to_string(&mut text).unwrap();
            prop_assert_eq!(text.chars().collect::<Vec<_>>(), bytes.iter().map(|byte| cp1252(*byte)).collect::<Vec<_>>());
        }
    }
}
