//! The Data Matrix (ISO/IEC 16022, ECC 200) at the foot of every page, by which a folding and inserting machine tells that the
//! sheets of a letter are all there and together: the reference without hyphens in capitals (32 characters), place in the
//! batch (5 digits), page and pages (2 digits each).
//!
//! It is in characters that Royal Mail's Mailmark barcode takes as customer content, for suppliers that print one.

use datamatrix::{DataMatrix, SymbolList, SymbolSize};
use krilla::geom::{Path, PathBuilder, Rect};

use super::LetterError;

/// Modules of a side, whatever the reference.
const MODULES: usize = 24;

/// What the barcode of a page says.
pub(super) fn content(reference: &str, sequence: usize, page: usize, pages: usize) -> String {
    let reference: String = reference.chars().filter(|character| *character != '-').collect();
    format!("{}{sequence:05}{page:02}{pages:02}", reference.to_uppercase())
}

/// The outline of a barcode with its top left corner here; `size` is the length of a side.
pub(super) fn outline(content: &str, x: f32, y: f32, size: f32) -> Result<Path, LetterError> {
    let wrong = |message: String| LetterError::Pdf(format!("barcode: {message}"));
    let symbol = DataMatrix::encode(content.as_bytes(), SymbolList::with_whitelist([SymbolSize::Square24]))
        .map_err(|error| wrong(format!("{error:?}")))?;
    let bitmap = symbol.bitmap();
    let module = size / MODULES as f32;
    let mut path = PathBuilder::new();
    for (row, bits) in bitmap.bits().chunks(MODULES).enumerate() {
        // Modules that touch in a row are one rectangle.
        let mut column = 0;
        while let Some(first) = bits.iter().skip(column).position(|dark| *dark).map(|skipped| column + skipped) {
            let dark = bits.iter().skip(first).take_while(|dark| **dark).count();
            let left = x + first as f32 * module;
            let top = y + row as f32 * module;
            if let Some(rectangle) = Rect::from_xywh(left, top, dark as f32 * module, module) {
                path.push_rect(rectangle);
            }
            column = first + dark;
        }
    }
    path.finish().ok_or_else(|| wrong("has no modules".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_barcode_says_which_sheet_of_which_letter_it_is_and_is_always_of_one_size() {
        let content = content("5d0b1f0e-2f6a-4c11-9a1e-1b6e2f6a9c11", 250, 2, 3);
        assert_eq!(content, "5D0B1F0E2F6A4C119A1E1B6E2F6A9C11002500203");
        let symbol =
            DataMatrix::encode(content.as_bytes(), SymbolList::with_whitelist([SymbolSize::Square24])).unwrap();
        let bitmap = symbol.bitmap();
        assert_eq!((bitmap.width(), bitmap.height()), (MODULES, MODULES));
        assert_eq!(DataMatrix::decode(bitmap.bits(), MODULES).unwrap(), content.as_bytes());
    }
}
