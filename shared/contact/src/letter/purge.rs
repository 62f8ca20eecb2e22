//! Taking letters out of a file that is sealed: their places stay, empty, so that every other letter keeps its own.

use std::collections::BTreeSet;

use lopdf::{Document, Object, Stream};

use super::LetterError;

/// The PDF with nothing on the pages of these letters, given by their places in the batch, from 1. `pages_per_letter` are
/// those of the batch.
///
/// # Errors
/// Where the PDF cannot be read or written.
pub fn blank(pdf: &[u8], pages_per_letter: &[u32], letters: &BTreeSet<u32>) -> Result<Vec<u8>, LetterError> {
    let wrong = |error: lopdf::Error| LetterError::Pdf(error.to_string());
    let mut document = Document::load_mem(pdf).map_err(wrong)?;
    let pages: Vec<lopdf::ObjectId> = document.get_pages().into_values().collect();
    let mut next = 0;
    for (place, count) in (1u32..).zip(pages_per_letter) {
        let count = usize::try_from(*count).unwrap_or(usize::MAX);
        let of_letter = pages.iter().skip(next).take(count);
        next += count;
        if !letters.contains(&place) {
            continue;
        }
        for page in of_letter {
            for contents in document.get_page_contents(*page) {
                document.delete_object(contents);
            }
            let empty = document.add_object(Stream::new(lopdf::Dictionary::new(), Vec::new()));
            let page = document.get_object_mut(*page).and_then(Object::as_dict_mut).map_err(wrong)?;
            page.set("Contents", empty);
        }
    }
    let mut out = Vec::new();
    document.save_to(&mut out).map_err(|error| LetterError::Pdf(error.to_string()))?;
    Ok(out)
}

/// The text of a batch for Braille or recordings with the lines of these letters empty.
#[must_use]
pub fn blank_lines(text: &[u8], letters: &BTreeSet<u32>) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for (place, line) in (1u32..).zip(text.split_inclusive(|byte| *byte == b'\n')) {
        if letters.contains(&place) {
            out.extend_from_slice(b"{}\n");
        } else {
            out.extend_from_slice(line);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::letter::tests::{letter, text_of};
    use crate::letter::typeset;

    #[test]
    fn a_letter_that_is_taken_out_leaves_nothing_and_no_other_moves() {
        let letters: Vec<_> = (0..4).map(letter).collect();
        let batch = typeset(&letters).unwrap();
        let purged = blank(&batch.pdf, &batch.pages_per_letter, &BTreeSet::from([2, 4])).unwrap();
        let (before, after) = (text_of(&batch.pdf), text_of(&purged));
        assert_eq!(before.len(), after.len());
        let mut page = 0;
        for (index, count) in batch.pages_per_letter.iter().enumerate() {
            for _ in 0..*count {
                let expected = if index % 2 == 1 { "" } else { before[page].as_str() };
                assert_eq!(after[page], expected, "letter {}", index + 1);
                page += 1;
            }
        }
        let whole = lopdf::Document::load_mem(&purged).unwrap();
        for object in whole.objects.values() {
            let Ok(stream) = object.as_stream() else { continue };
            let content = stream.decompressed_content().unwrap_or_default();
            assert!(!String::from_utf8_lossy(&content).contains("High Street 1"), "an old page is still in the file");
        }
        let again = blank(&purged, &batch.pages_per_letter, &BTreeSet::from([2, 4])).unwrap();
        assert_eq!(text_of(&again), after);
    }

    #[test]
    fn a_line_that_is_taken_out_keeps_its_place() {
        let text = b"{\"sequence\":1}\n{\"sequence\":2}\n{\"sequence\":3}\n";
        assert_eq!(blank_lines(text, &BTreeSet::from([2])), b"{\"sequence\":1}\n{}\n{\"sequence\":3}\n");
    }
}
