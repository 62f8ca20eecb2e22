//! How many parts a text message costs: 3GPP TS 23.038 (alphabets) and TS 23.040 §9.2.3.24 (concatenation).

/// Longest text GOV.UK Notify and NHS Notify accept, in characters.
pub const LONGEST_TEXT: usize = 918;

/// The GSM 7-bit default alphabet; each counts one septet.
const BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
/// The extension table; each is an escape and a code: two septets that stay together.
const EXTENSION: &str = "\u{c}^{}\\[~]|€";

/// Alphabet a message is sent in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// GSM 7-bit: 160 septets in one part, 153 a part in several.
    Gsm7,
    /// UCS-2: 70 UTF-16 units in one part, 67 a part in several.
    Ucs2,
}

/// Size of a text message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segments {
    /// Alphabet.
    pub encoding: Encoding,
    /// Septets in GSM 7-bit, UTF-16 units in UCS-2.
    pub characters: usize,
    /// Parts a handset receives; 0 for an empty text.
    pub parts: usize,
}

/// Measures a text as handsets receive it: neither an escaped character nor a surrogate pair is split over two parts.
#[must_use]
pub fn segments(text: &str) -> Segments {
    let septets: Option<Vec<usize>> = text.chars().map(septets).collect();
    match septets {
        Some(widths) => measure(Encoding::Gsm7, &widths, 160, 153),
        None => {
            let widths: Vec<usize> = text.chars().map(char::len_utf16).collect();
            measure(Encoding::Ucs2, &widths, 70, 67)
        }
    }
}

fn septets(character: char) -> Option<usize> {
    if BASIC.contains(character) {
        Some(1)
    } else if EXTENSION.contains(character) {
        Some(2)
    } else {
        None
    }
}

fn measure(encoding: Encoding, widths: &[usize], alone: usize, joined: usize) -> Segments {
    let characters: usize = widths.iter().sum();
    let parts = if characters == 0 {
        0
    } else if characters <= alone {
        1
    } else {
        let mut parts = 1;
        let mut used = 0;
        for width in widths {
            if used + width > joined {
                parts += 1;
                used = 0;
            }
            used += width;
        }
        parts
    };
    Segments { encoding, characters, parts }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_counted_by_the_alphabet_that_the_text_needs() {
        use Encoding::{Gsm7, Ucs2};
        let cases: Vec<(String, Encoding, usize, usize)> = vec![
            (String::new(), Gsm7, 0, 0),
            ("a".repeat(160), Gsm7, 160, 1),
            ("a".repeat(161), Gsm7, 161, 2),
            ("a".repeat(306), Gsm7, 306, 2),
            ("a".repeat(307), Gsm7, 307, 3),
            ("a".repeat(918), Gsm7, 918, 6),
            ("€".into(), Gsm7, 2, 1),
            ("^{}[]~|\\".into(), Gsm7, 16, 1),
            ("€".repeat(80), Gsm7, 160, 1),
            ("a".repeat(159) + "€", Gsm7, 161, 2),
            ("£5 é à Ñ".into(), Gsm7, 8, 1),
            // 153 is odd: the 77th escaped character does not fit in the first part, so three are needed for 306.
            ("€".repeat(153), Gsm7, 306, 3),
            ("ŵ".into(), Ucs2, 1, 1),
            ("ŷ".to_owned() + &"a".repeat(69), Ucs2, 70, 1),
            ("ŷ".to_owned() + &"a".repeat(70), Ucs2, 71, 2),
            ("â".into(), Ucs2, 1, 1),
            ("ŵ".repeat(134), Ucs2, 134, 2),
            ("ŵ".repeat(135), Ucs2, 135, 3),
            ("💉".into(), Ucs2, 2, 1),
            ("💉".repeat(35), Ucs2, 70, 1),
            // 67 is odd: a pair is not split, 33 to a part.
            ("💉".repeat(67), Ucs2, 134, 3),
            ("it’s".into(), Ucs2, 4, 1),
        ];
        for (text, encoding, characters, parts) in cases {
            assert_eq!(segments(&text), Segments { encoding, characters, parts }, "{text:?}");
        }
    }

    #[test]
    fn the_default_alphabet_has_its_127_characters_besides_the_escape() {
        assert_eq!(BASIC.chars().count(), 127);
        assert_eq!(EXTENSION.chars().count(), 10);
    }
}
