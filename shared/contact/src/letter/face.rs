//! The faces, and text shaped with them. Open Sans for Latin, Noto Naskh Arabic for Arabic script; both under the SIL Open
//! Font License 1.1 (`fonts/OFL.txt`).

use std::collections::HashMap;
use std::sync::LazyLock;

use harfrust::{BufferClusterLevel, Direction, FontRef, Script, ShapePlan, ShaperData, UnicodeBuffer, script};
use krilla::text::{Font, GlyphId, KrillaGlyph};
use skrifa::MetadataProvider;
use skrifa::instance::{LocationRef, Size};

use super::LetterError;

const LATIN: [&[u8]; 2] =
    [include_bytes!("../../fonts/OpenSans-Regular.ttf"), include_bytes!("../../fonts/OpenSans-Bold.ttf")];
const ARABIC: [&[u8]; 2] =
    [include_bytes!("../../fonts/NotoNaskhArabic-Regular.ttf"), include_bytes!("../../fonts/NotoNaskhArabic-Bold.ttf")];

/// A weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weight {
    Regular,
    Bold,
}

/// The faces of letters, by weight.
pub(super) struct Faces {
    latin: [Face; 2],
    arabic: [Face; 2],
}

static FACES: LazyLock<Result<Faces, LetterError>> = LazyLock::new(|| {
    let latin = |data| Face::load(data, script::LATIN);
    let arabic = |data| Face::load(data, script::ARABIC);
    Ok(Faces { latin: [latin(LATIN[0])?, latin(LATIN[1])?], arabic: [arabic(ARABIC[0])?, arabic(ARABIC[1])?] })
});

impl Faces {
    /// The faces, read once a process.
    pub(super) fn load() -> Result<&'static Self, LetterError> {
        FACES.as_ref().map_err(Clone::clone)
    }

    pub(super) fn latin(&self, weight: Weight) -> &Face {
        &self.latin[usize::from(weight == Weight::Bold)]
    }

    pub(super) fn arabic(&self, weight: Weight) -> &Face {
        &self.arabic[usize::from(weight == Weight::Bold)]
    }

    /// Whether a character can be printed in some face: it has a glyph, or says only how its neighbours join.
    pub(super) fn can_print(&self, character: char, weight: Weight) -> bool {
        character.is_whitespace()
            || self.latin(weight).glyph(character).is_some()
            || self.arabic(weight).glyph(character).is_some()
            || is_direction_mark(character)
    }
}

/// Marks that order text of two directions, and have no shape of their own.
pub(super) fn is_direction_mark(character: char) -> bool {
    matches!(character, '\u{200c}'..='\u{200f}' | '\u{2066}'..='\u{2069}')
}

/// Whether a character is of Arabic script, its marks and digits included.
pub(super) fn is_arabic(character: char) -> bool {
    matches!(character, '\u{600}'..='\u{6ff}' | '\u{750}'..='\u{77f}' | '\u{8a0}'..='\u{8ff}' | '\u{fb50}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}')
}

/// A face: the font to draw with, the glyph and advance of every character in em, and what shapes runs of its script.
pub(super) struct Face {
    pub(super) font: Font,
    /// Latin and Latin Extended, looked up for most characters of most letters.
    near: Vec<Option<(GlyphId, f32)>>,
    far: HashMap<char, (GlyphId, f32)>,
    parsed: FontRef<'static>,
    shaping: ShaperData,
    script: Script,
    plans: [ShapePlan; 2],
    per_em: f32,
}

const NEAR: usize = 0x250;

impl Face {
    fn load(data: &'static [u8], script: Script) -> Result<Self, LetterError> {
        let wrong = |message: &str| LetterError::Pdf(format!("font: {message}"));
        let font = Font::new(data.into(), 0).ok_or_else(|| wrong("cannot be embedded"))?;
        let metrics = skrifa::FontRef::new(data).map_err(|error| wrong(&error.to_string()))?;
        let widths = metrics.glyph_metrics(Size::new(1.0), LocationRef::default());
        let (mut near, mut far) = (vec![None; NEAR], HashMap::new());
        for (code, glyph) in metrics.charmap().mappings() {
            let Some(character) = char::from_u32(code) else { continue };
            // A mark that combines needs a composed letter: text is composed before it comes here.
            if matches!(code, 0x300..=0x36f) || character.is_control() {
                continue;
            }
            let Some(width) = widths.advance_width(glyph) else { continue };
            let entry = (GlyphId::new(glyph.to_u32()), width);
            match near.get_mut(code as usize) {
                Some(place) => *place = Some(entry),
                None => {
                    far.insert(character, entry);
                }
            }
        }
        let parsed = FontRef::new(data).map_err(|error| wrong(&error.to_string()))?;
        let shaping = ShaperData::new(&parsed);
        let shaper = shaping.shaper(&parsed).build();
        let plan = |direction| ShapePlan::new(&shaper, direction, Some(script), None, &[]);
        let plans = [plan(Direction::LeftToRight), plan(Direction::RightToLeft)];
        let per_em = shaper.units_per_em() as f32;
        Ok(Self { font, near, far, parsed, shaping, script, plans, per_em })
    }

    /// Glyph and advance of a character, if the face has it.
    pub(super) fn glyph(&self, character: char) -> Option<(GlyphId, f32)> {
        match self.near.get(character as usize) {
            Some(entry) => *entry,
            None => self.far.get(&character).copied(),
        }
    }

    /// Width of a text in em, character by character. What the face lacks counts nothing: letters are checked before.
    pub(super) fn width(&self, text: &str) -> f32 {
        text.chars().filter_map(|character| self.glyph(character)).map(|(_, width)| width).sum()
    }

    /// The glyphs of a text that needs no shaping, with the characters that each stands for.
    pub(super) fn plain(&self, text: &str) -> Vec<KrillaGlyph> {
        text.char_indices()
            .filter_map(|(at, character)| {
                let (glyph, width) = self.glyph(character)?;
                Some(KrillaGlyph::new(glyph, width, 0.0, 0.0, 0.0, at..at + character.len_utf8(), None))
            })
            .collect()
    }

    /// The glyphs of a run of one direction, shaped: joined, mirrored, marks in their places, from left to right.
    pub(super) fn shaped(&self, text: &str, right_to_left: bool) -> Vec<KrillaGlyph> {
        let shaper = self.shaping.shaper(&self.parsed).build();
        let direction = if right_to_left { Direction::RightToLeft } else { Direction::LeftToRight };
        let mut buffer = UnicodeBuffer::new();
        buffer.set_cluster_level(BufferClusterLevel::MonotoneCharacters);
        buffer.push_str(text);
        buffer.set_direction(direction);
        buffer.set_script(self.script);
        let shaped = shaper.shape_with_plan(&self.plans[usize::from(right_to_left)], buffer, &[]);
        let mut starts: Vec<usize> = shaped.glyph_infos().iter().map(|info| info.cluster as usize).collect();
        starts.sort_unstable();
        starts.dedup();
        let end = |start: usize| {
            let next = starts.partition_point(|other| *other <= start);
            starts.get(next).copied().unwrap_or(text.len())
        };
        let em = |units: i32| units as f32 / self.per_em;
        let placed = shaped.glyph_infos().iter().zip(shaped.glyph_positions());
        placed
            .map(|(info, at)| {
                let start = info.cluster as usize;
                KrillaGlyph::new(
                    GlyphId::new(info.glyph_id),
                    em(at.x_advance),
                    em(at.x_offset),
                    em(at.y_offset),
                    em(at.y_advance),
                    start..end(start),
                    None,
                )
            })
            .collect()
    }
}
