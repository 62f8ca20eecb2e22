//! Letters, typeset many to one PDF for a print supplier.
//!
//! A4, one address in the window of a DL envelope (BS 4264: pocket 110 × 220 mm; the usual window is 90 × 35 mm, 20 mm from
//! the left edge and from the foot). The sheet is folded to a third (99 mm) and rests on the envelope's foot, so the window
//! shows 44–79 mm of it, and 20–100 mm wherever it slides sideways. The address block is 25–100 mm from the left and
//! 51–79 mm from the top: the sheet may rise 7 mm, and nothing else comes into the window. The rest of the window is left
//! clear for the Mailmark that the supplier prints.
//!
//! The PDF is tagged and validated as PDF/UA-1 while it is written. Fonts are embedded once for the batch, cut to the
//! glyphs used. The same letters give the same bytes.
//!
//! Latin is set glyph by glyph; Arabic is shaped and ordered for its direction. What no face can show is an error, never a
//! gap or a box in somebody's name.

mod barcode;
mod face;
mod line;
mod page;
mod picture;
mod purge;

use std::num::NonZeroU16;

use ims_domain::letter::{Format, Language};
use krilla::configure::{Accessibility, ConfigurationBuilder};
use krilla::destination::XyzDestination;
use krilla::geom::Point;
use krilla::metadata::Metadata;
use krilla::outline::{Outline, OutlineNode};
use krilla::tagging::{Tag, TagGroup, TagTree};
use krilla::{Document, SerializeSettings};
use thiserror::Error;

use face::{Faces, Weight};
pub use picture::Picture;
pub use purge::{blank, blank_lines};

/// Fewest address lines.
pub const FEWEST_ADDRESS_LINES: usize = 3;
/// Most address lines.
pub const MOST_ADDRESS_LINES: usize = 7;
/// Most letters in a batch.
pub const MOST_LETTERS: usize = 10_000;

/// One letter. `Debug` shows the reference alone.
#[derive(Clone, PartialEq, Eq)]
pub struct Letter {
    /// Reference printed at the foot: the message's id.
    pub reference: String,
    /// Name, address and postcode, 3 to 7 lines.
    pub address_lines: Vec<String>,
    /// Date as it is printed, such as "6 October 2025".
    pub date: String,
    /// Heading.
    pub heading: String,
    /// Paragraphs; a line feed within one begins a new line.
    pub paragraphs: Vec<String>,
    /// The picture beside each paragraph, by its index; fewer than paragraphs, or none, where there are none.
    pub pictures: Vec<Option<Picture>>,
    /// Language of the text.
    pub language: Language,
    /// Standard, large print or easy read.
    pub format: Format,
}

impl std::fmt::Debug for Letter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Letter").field("reference", &self.reference).finish_non_exhaustive()
    }
}

/// A typeset batch. Letter `i` has `pages_per_letter[i]` pages, in order.
#[derive(Clone, PartialEq, Eq)]
pub struct TypesetBatch {
    /// The PDF.
    pub pdf: Vec<u8>,
    /// Pages of each letter.
    pub pages_per_letter: Vec<u32>,
}

impl std::fmt::Debug for TypesetBatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TypesetBatch")
            .field("bytes", &self.pdf.len())
            .field("letters", &self.pages_per_letter.len())
            .finish()
    }
}

/// Why letters cannot be typeset. Names the letter by its reference; never a name or an address.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LetterError {
    /// None, or too many.
    #[error("batch of {letters} letters: expected 1 to {MOST_LETTERS}")]
    BatchSize {
        /// Letters given.
        letters: usize,
    },
    /// Too few or too many address lines.
    #[error(
        "letter {reference}, address_lines: {lines} lines; expected {FEWEST_ADDRESS_LINES} to {MOST_ADDRESS_LINES}"
    )]
    AddressLines {
        /// Letter.
        reference: String,
        /// Lines given.
        lines: usize,
    },
    /// An address line that does not fit the window at the smallest size.
    #[error("letter {reference}, address_lines[{index}]: {characters} characters do not fit the window")]
    AddressTooWide {
        /// Letter.
        reference: String,
        /// Line, from 0.
        index: usize,
        /// Its length.
        characters: usize,
    },
    /// A field without text.
    #[error("letter {reference}, {field}: is empty")]
    Empty {
        /// Letter.
        reference: String,
        /// Field.
        field: String,
    },
    /// A character that the font does not have.
    #[error("letter {reference}, {field}: U+{:04X} cannot be printed", *.character as u32)]
    Unprintable {
        /// Letter.
        reference: String,
        /// Field.
        field: String,
        /// The character.
        character: char,
    },
    /// The font or the PDF writer failed: a fault of the program, not of a letter.
    #[error("pdf: {0}")]
    Pdf(String),
}

impl Letter {
    /// Whether the letter can be typeset: look before a batch is sealed, so that one letter does not hold up others.
    ///
    /// # Errors
    /// The first fault found.
    pub fn check(&self) -> Result<(), LetterError> {
        self.check_with(Faces::load()?)
    }

    fn check_with(&self, faces: &Faces) -> Result<(), LetterError> {
        let reference = || self.reference.clone();
        let lines = self.address_lines.len();
        if !(FEWEST_ADDRESS_LINES..=MOST_ADDRESS_LINES).contains(&lines) {
            return Err(LetterError::AddressLines { reference: reference(), lines });
        }
        let mut fields = vec![
            ("reference".to_owned(), &self.reference, Weight::Regular),
            ("date".to_owned(), &self.date, Weight::Regular),
            ("heading".to_owned(), &self.heading, Weight::Bold),
        ];
        let lines = self.address_lines.iter().enumerate();
        fields.extend(lines.map(|(index, line)| (format!("address_lines[{index}]"), line, Weight::Regular)));
        let paragraphs = self.paragraphs.iter().enumerate();
        fields.extend(paragraphs.map(|(index, text)| (format!("paragraphs[{index}]"), text, Weight::Regular)));
        if self.paragraphs.is_empty() {
            return Err(LetterError::Empty { reference: reference(), field: "paragraphs".into() });
        }
        for (field, text, weight) in fields {
            if text.trim().is_empty() {
                return Err(LetterError::Empty { reference: reference(), field });
            }
            let text = page::composed(text);
            if let Some(character) = text.chars().find(|&character| !faces.can_print(character, weight)) {
                return Err(LetterError::Unprintable { reference: reference(), field, character });
            }
        }
        match page::address_size(&self.address_lines, faces) {
            Ok(_) => Ok(()),
            Err(index) => Err(LetterError::AddressTooWide {
                reference: reference(),
                index,
                characters: self.address_lines.get(index).map_or(0, |line| line.chars().count()),
            }),
        }
    }
}

/// Typesets letters into one PDF, in order, each beginning on a new page.
///
/// # Errors
/// The first letter that [`Letter::check`] refuses, a batch of no or too many letters, or a failure of the PDF writer.
pub fn typeset(letters: &[Letter]) -> Result<TypesetBatch, LetterError> {
    let Some(language) = letters.first().map(|letter| letter.language).filter(|_| letters.len() <= MOST_LETTERS) else {
        return Err(LetterError::BatchSize { letters: letters.len() });
    };
    let faces = Faces::load()?;
    for letter in letters {
        letter.check_with(faces)?;
    }
    let configuration = ConfigurationBuilder::new()
        .with_accessibility_validator(Accessibility::UA1)
        .finish()
        .map_err(|error| LetterError::Pdf(format!("{error:?}")))?;
    let mut document = Document::new_with(SerializeSettings { configuration, ..SerializeSettings::default() });
    let mut tags = TagTree::new();
    let mut outline = Outline::new();
    let mut pages_per_letter = Vec::with_capacity(letters.len());
    let mut pages = 0;
    for (index, letter) in letters.iter().enumerate() {
        let set = page::lay_out(letter, index + 1, letters.len(), faces)?;
        let first = usize::try_from(pages).unwrap_or(usize::MAX);
        outline.push_child(OutlineNode::new(
            format!("{} {}", index + 1, letter.reference),
            XyzDestination::new(first, Point::from_xy(0.0, 0.0)),
        ));
        let count = u32::try_from(set.len()).unwrap_or(u32::MAX);
        tags.push(draw(&mut document, letter, language, &set, faces)?);
        pages_per_letter.push(count);
        pages += count;
    }
    document.set_tag_tree(tags);
    document.set_outline(outline);
    document.set_metadata(Metadata::new().title(title(letters)).language(language.tag().into()));
    let pdf = document.finish().map_err(|error| LetterError::Pdf(format!("{error:?}")))?;
    Ok(TypesetBatch { pdf, pages_per_letter })
}

/// A document of one letter is called by its heading.
fn title(letters: &[Letter]) -> String {
    match letters {
        [letter] => letter.heading.clone(),
        _ => "Vaccination letters".to_owned(),
    }
}

/// Draws a letter's pages; its section of the tag tree, which says its language where that is not the document's.
fn draw(
    document: &mut Document,
    letter: &Letter,
    document_language: Language,
    pages: &[page::Page],
    faces: &Faces,
) -> Result<TagGroup, LetterError> {
    let language = Some(letter.language).filter(|language| *language != document_language);
    let mut section = TagGroup::new(Tag::Section.with_lang(language.map(|language| language.tag().to_owned())));
    // A paragraph that goes on over a page is one element.
    let mut open: Option<(usize, TagGroup)> = None;
    for page in pages {
        let mut sheet = document.start_page_with(page::settings()?);
        let mut surface = sheet.surface();
        for block in &page.blocks {
            let identifier = block.draw(&mut surface, faces);
            let tag = match block.role {
                page::Role::Artifact => continue,
                page::Role::Heading => {
                    let heading = Tag::Hn(NonZeroU16::MIN, Some(letter.heading.clone()));
                    TagGroup::new(heading.with_actual_text(block.said.clone()))
                }
                page::Role::Paragraph => TagGroup::new(Tag::P.with_actual_text(block.said.clone())),
            };
            match &mut open {
                Some((element, group)) if *element == block.element => group.push(identifier),
                _ => {
                    if let Some((_, done)) = open.take() {
                        section.push(done);
                    }
                    let mut group = tag;
                    group.push(identifier);
                    open = Some((block.element, group));
                }
            }
        }
        surface.finish();
        sheet.finish();
    }
    if let Some((_, done)) = open {
        section.push(done);
    }
    Ok(section)
}

#[cfg(test)]
pub(crate) mod tests;
