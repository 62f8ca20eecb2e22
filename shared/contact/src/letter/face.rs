//! The two faces and their advance widths. Open Sans, SIL Open Font License 1.1 (`fonts/OFL.txt`).

use std::collections::HashMap;

use krilla::text::{Font, GlyphId, KrillaGlyph};
use skrifa::MetadataProvider;
use skrifa::instance::{LocationRef, Size};

use super::LetterError;

const REGULAR: &[u8] = include_bytes!("../../fonts/OpenSans-Regular.ttf");
const BOLD: &[u8] = include_bytes!("../../fonts/OpenSans-Bold.ttf");

/// The faces of a letter.
pub(super) struct Faces {
    pub(super) regular: Face,
    pub(super) bold: Face,
}

impl Faces {
    pub(super) fn load() -> Result<Self, LetterError> {
        Ok(Self { regular: Face::load(REGULAR)?, bold: Face::load(BOLD)? })
    }
}

/// A face: the font to draw with, and the glyph and advance of every character, in em.
pub(super) struct Face {
    pub(super) font: Font,
    glyphs: HashMap<char, (GlyphId, f32)>,
}

impl Face {
    fn load(data: &'static [u8]) -> Result<Self, LetterError> {
        let wrong = |message: &str| LetterError::Pdf(format!("font: {message}"));
        let font = Font::new(data.into(), 0).ok_or_else(|| wrong("cannot be embedded"))?;
        let metrics = skrifa::FontRef::new(data).map_err(|error| wrong(&error.to_string()))?;
        let widths = metrics.glyph_metrics(Size::new(1.0), LocationRef::default());
        let mut glyphs = HashMap::new();
        for (code, glyph) in metrics.charmap().mappings() {
            let Some(character) = char::from_u32(code) else { continue };
            // A mark that combines needs shaping to sit on its letter.
            if matches!(code, 0x300..=0x36f) || character.is_control() {
                continue;
            }
            if let Some(width) = widths.advance_width(glyph) {
                glyphs.insert(character, (GlyphId::new(glyph.to_u32()), width));
            }
        }
        if !glyphs.contains_key(&' ') {
            return Err(wrong("has no space"));
        }
        Ok(Self { font, glyphs })
    }

    /// Glyph and advance of a character, if the face has it.
    pub(super) fn glyph(&self, character: char) -> Option<(GlyphId, f32)> {
        self.glyphs.get(&character).copied()
    }

    /// Width of a text in em. Characters the face lacks count nothing: letters are checked before.
    pub(super) fn width(&self, text: &str) -> f32 {
        text.chars().filter_map(|character| self.glyph(character)).map(|(_, width)| width).sum()
    }

    /// The glyphs of a line, with the text that each stands for.
    pub(super) fn line(&self, text: &str) -> Vec<KrillaGlyph> {
        text.char_indices()
            .filter_map(|(at, character)| {
                let (glyph, width) = self.glyph(character)?;
                Some(KrillaGlyph::new(glyph, width, 0.0, 0.0, 0.0, at..at + character.len_utf8(), None))
            })
            .collect()
    }
}
