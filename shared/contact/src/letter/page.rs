//! Where everything stands on the page. Lengths in points from the left and top edges; baselines for lines.

use ims_domain::letter::{Format, Language};
use krilla::geom::Path;
use krilla::page::PageSettings;
use krilla::surface::Surface;
use krilla::tagging::{Artifact, ArtifactType, ContentTag, Identifier};
use unicode_normalization::{UnicodeNormalization, is_nfc};

use super::face::{Faces, Weight};
use super::line::{Set, break_lines};
use super::picture::Picture;
use super::{Letter, LetterError, barcode};

const fn mm(millimetres: f32) -> f32 {
    millimetres * 72.0 / 25.4
}

const WIDTH: f32 = mm(210.0);
const HEIGHT: f32 = mm(297.0);
const LEFT: f32 = mm(25.0);
const RIGHT: f32 = WIDTH - mm(25.0);
/// First baseline on the pages after the first.
const TOP: f32 = mm(25.0);
/// Last baseline of the text.
const BOTTOM: f32 = HEIGHT - mm(27.0);
const FOOT: f32 = HEIGHT - mm(14.0);
const FOOT_SIZE: f32 = 8.0;
const SENDER_BASELINE: f32 = mm(22.0);

const BARCODE_SIZE: f32 = mm(10.0);
const BARCODE_TOP: f32 = HEIGHT - mm(21.0);

/// The address block, 51–79 mm from the top; see the module's documentation.
const ADDRESS_TOP: f32 = mm(51.1);
const ADDRESS_WIDTH: f32 = mm(75.0);
const ADDRESS_SIZE: f32 = 10.5;
const SMALLEST_ADDRESS_SIZE: f32 = 8.0;
/// From the first baseline of the block to its last: seven lines of text still stand clear of one another.
const ADDRESS_ROOM: f32 = 6.0 * 11.2;
const WIDEST_ADDRESS_LEADING: f32 = 13.4;

/// Where the text begins: below the window and the fold.
const TEXT_TOP: f32 = mm(91.0);

const PICTURE_SIZE: f32 = mm(18.0);
const PICTURE_COLUMN: f32 = mm(26.0);

/// Sizes of a format, in points.
pub(super) struct Sizes {
    pub(super) text: f32,
    pub(super) heading: f32,
    pub(super) sender: f32,
}

pub(super) fn sizes(format: Format) -> Sizes {
    match format {
        Format::LargePrint => Sizes { text: 18.0, heading: 24.0, sender: 18.0 },
        Format::EasyRead => Sizes { text: 16.0, heading: 24.0, sender: 16.0 },
        Format::Standard | Format::Braille | Format::Audio => Sizes { text: 12.0, heading: 17.0, sender: 13.0 },
    }
}

fn sender(language: Language) -> &'static str {
    match language {
        Language::English => "NHS Immunisation Management Service",
        Language::Welsh => "Gwasanaeth Rheoli Imiwneiddio’r GIG",
        Language::Arabic => "خدمة إدارة التطعيمات التابعة لهيئة NHS",
    }
}

/// Lines further apart where letters have marks above and below, and where reading is to be easy.
fn leading(letter: &Letter) -> f32 {
    match (letter.language, letter.format) {
        (Language::Arabic, _) => 1.65,
        (_, Format::EasyRead) => 1.45,
        _ => 1.35,
    }
}

/// Arabic letters are smaller than Latin ones of the same size.
fn scale(language: Language) -> f32 {
    if language == Language::Arabic { 1.12 } else { 1.0 }
}

/// What a block of lines is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Paragraph,
    Heading,
    /// Printed, but no part of the text: the foot, and pictures that repeat what the text beside them says.
    Artifact,
}

impl Role {
    fn content(self) -> ContentTag<'static> {
        match self {
            Self::Artifact => ContentTag::Artifact(Artifact::with_kind(ArtifactType::Footer)),
            Self::Paragraph | Self::Heading => ContentTag::Other,
        }
    }
}

/// Lines that belong together on one page. Blocks of one `element` are parts of one paragraph.
pub(super) struct Block {
    pub(super) role: Role,
    pub(super) element: usize,
    pub(super) lines: Vec<Line>,
    /// The element's text, where it cannot be read off the glyphs one by one.
    pub(super) said: Option<String>,
    picture: Option<(Picture, f32, f32)>,
    barcode: Option<Path>,
}

#[derive(Default)]
pub(super) struct Page {
    pub(super) blocks: Vec<Block>,
}

/// A line of text at its place.
pub(super) struct Line {
    set: Set,
    pub(super) x: f32,
    pub(super) baseline: f32,
    pub(super) size: f32,
}

impl Line {
    #[cfg(test)]
    fn width(&self) -> f32 {
        self.set.width * self.size
    }
}

impl Block {
    /// Draws the block as one piece of tagged content.
    pub(super) fn draw(&self, surface: &mut Surface<'_>, faces: &Faces) -> Identifier {
        let identifier = surface.start_tagged(self.role.content());
        for line in &self.lines {
            line.set.draw(surface, line.x, line.baseline, line.size, faces);
        }
        if let Some((picture, x, y)) = self.picture {
            picture.draw(surface, x, y, PICTURE_SIZE);
        }
        if let Some(outline) = &self.barcode {
            surface.draw_path(outline);
        }
        surface.end_tagged();
        identifier
    }
}

pub(super) fn settings() -> Result<PageSettings, LetterError> {
    PageSettings::from_wh(WIDTH, HEIGHT).ok_or_else(|| LetterError::Pdf("page size".into()))
}

/// Letters with their accents as one character, as the faces have them.
pub(super) fn composed(text: &str) -> String {
    if is_nfc(text) { text.to_owned() } else { text.nfc().collect() }
}

/// A text as it is read out: a line that begins anew is no pause of its own.
fn said(text: &str) -> String {
    composed(text).lines().collect::<Vec<_>>().join(" ")
}

/// The size, in points, at which all address lines fit the window, or the index of the line that does not.
pub(super) fn address_size(lines: &[String], faces: &Faces) -> Result<f32, usize> {
    let mut size = ADDRESS_SIZE;
    for (index, line) in lines.iter().enumerate() {
        let width = Set::new(&composed(line), false, Weight::Regular, faces).width;
        let fitting = ADDRESS_WIDTH / width.max(f32::EPSILON);
        if fitting < SMALLEST_ADDRESS_SIZE {
            return Err(index);
        }
        size = size.min(fitting);
    }
    Ok(size)
}

/// Places a checked letter, `sequence` of `total`.
pub(super) fn lay_out(letter: &Letter, sequence: usize, total: usize, faces: &Faces) -> Result<Vec<Page>, LetterError> {
    let sizes = sizes(letter.format);
    let mut flow = Flow {
        pages: vec![Page::default()],
        baseline: 0.0,
        element: 0,
        right_to_left: letter.language.is_right_to_left(),
        leading: leading(letter),
        scale: scale(letter.language),
        faces,
    };
    flow.sender(sender(letter.language), sizes.sender);

    let size = address_size(&letter.address_lines, faces).map_err(|index| LetterError::AddressTooWide {
        reference: letter.reference.clone(),
        index,
        characters: letter.address_lines.get(index).map_or(0, |line| line.chars().count()),
    })?;
    let gaps = letter.address_lines.len().saturating_sub(1).max(1) as f32;
    let address_leading = (ADDRESS_ROOM / gaps).min(WIDEST_ADDRESS_LEADING);
    let mut lines = Vec::with_capacity(letter.address_lines.len());
    for (place, text) in (0u8..).zip(&letter.address_lines) {
        let set = Set::new(&composed(text), false, Weight::Regular, faces);
        let baseline = ADDRESS_TOP + ADDRESS_SIZE * 0.8 + f32::from(place) * address_leading;
        lines.push(Line { set, x: LEFT, baseline, size });
    }
    flow.block(Role::Paragraph, lines, None);

    flow.baseline = TEXT_TOP + sizes.text;
    flow.text(Role::Paragraph, &letter.date, sizes.text, None);
    flow.baseline += sizes.text * 0.7 + (sizes.heading - sizes.text);
    flow.text(Role::Heading, &letter.heading, sizes.heading, None);
    flow.baseline += sizes.text * 0.1;
    for (index, paragraph) in letter.paragraphs.iter().enumerate() {
        let picture = letter.pictures.get(index).copied().flatten();
        flow.text(Role::Paragraph, paragraph, sizes.text, picture);
        flow.baseline += sizes.text * if letter.format == Format::EasyRead { 0.9 } else { 0.6 };
    }
    flow.foot(letter, sequence, total)
}

/// Text running down the pages.
struct Flow<'a> {
    pages: Vec<Page>,
    baseline: f32,
    element: usize,
    right_to_left: bool,
    leading: f32,
    scale: f32,
    faces: &'a Faces,
}

impl Flow<'_> {
    fn block(&mut self, role: Role, lines: Vec<Line>, text: Option<&str>) {
        self.element += 1;
        self.continue_block(role, lines, text);
    }

    fn continue_block(&mut self, role: Role, lines: Vec<Line>, text: Option<&str>) {
        if let (Some(page), false) = (self.pages.last_mut(), lines.is_empty()) {
            let text = text.filter(|_| lines.iter().any(|line| line.set.is_shaped())).map(said);
            page.blocks.push(Block { role, element: self.element, lines, said: text, picture: None, barcode: None });
        }
    }

    /// The sender in the upper corner on the far side of where lines begin.
    fn sender(&mut self, text: &str, size: f32) {
        let set = Set::new(text, self.right_to_left, Weight::Bold, self.faces);
        let size = size * self.scale;
        let x = if self.right_to_left { LEFT } else { RIGHT - set.width * size };
        self.block(Role::Paragraph, vec![Line { set, x, baseline: SENDER_BASELINE, size }], Some(text));
    }

    fn text(&mut self, role: Role, text: &str, size: f32, picture: Option<Picture>) {
        let weight = if role == Role::Heading { Weight::Bold } else { Weight::Regular };
        let leading = size * if role == Role::Heading { self.leading - 0.1 } else { self.leading };
        let size = size * self.scale;
        let column = if picture.is_some() { PICTURE_COLUMN } else { 0.0 };
        let broken =
            break_lines(&composed(text), (RIGHT - LEFT - column) / size, self.right_to_left, weight, self.faces);
        // A first line does not stand alone at the foot of a page, nor a heading without text below it, nor a picture
        // without the text that it belongs to.
        let together = match (role, picture) {
            (Role::Heading, _) => broken.len() + 2,
            (_, Some(_)) => broken.len().max(3),
            _ => broken.len().min(2),
        };
        if self.baseline + leading * together.saturating_sub(1) as f32 > BOTTOM {
            self.turn(size);
        }
        let top = self.baseline - size * 0.8;
        if picture.is_some() {
            // Text that is lower than its picture stands at its middle.
            let high = size + leading * broken.len().saturating_sub(1) as f32;
            self.baseline += ((PICTURE_SIZE - high) / 2.0).max(0.0);
        }
        if let (Some(picture), Some(page)) = (picture, self.pages.last_mut()) {
            let x = if self.right_to_left { RIGHT - PICTURE_SIZE } else { LEFT };
            page.blocks.push(Block {
                role: Role::Artifact,
                element: usize::MAX,
                lines: Vec::new(),
                said: None,
                picture: Some((picture, x, top)),
                barcode: None,
            });
        }
        self.element += 1;
        let mut lines = Vec::new();
        for line in broken {
            if self.baseline > BOTTOM {
                self.continue_block(role, std::mem::take(&mut lines), Some(text));
                self.turn(size);
            }
            let set = Set::new(&line, self.right_to_left, weight, self.faces);
            let x = if self.right_to_left { RIGHT - column - set.width * size } else { LEFT + column };
            lines.push(Line { set, x, baseline: self.baseline, size });
            self.baseline += leading;
        }
        self.continue_block(role, lines, Some(text));
        if picture.is_some() {
            self.baseline = self.baseline.max(top + PICTURE_SIZE + size * 0.8);
        }
    }

    fn turn(&mut self, size: f32) {
        self.pages.push(Page::default());
        self.baseline = TOP + size;
    }

    /// Foot and barcode on every page: for whoever prints and folds, not part of the text.
    fn foot(mut self, letter: &Letter, sequence: usize, total: usize) -> Result<Vec<Page>, LetterError> {
        let count = self.pages.len();
        for (index, page) in self.pages.iter_mut().enumerate() {
            let (reference, number) = (&letter.reference, index + 1);
            let foot = format!("Reference {reference}   Letter {sequence} of {total}   Page {number} of {count}");
            let set = Set::new(&foot, false, Weight::Regular, self.faces);
            let content = barcode::content(reference, sequence, number, count);
            let outline = barcode::outline(&content, RIGHT - BARCODE_SIZE, BARCODE_TOP, BARCODE_SIZE)?;
            page.blocks.push(Block {
                role: Role::Artifact,
                element: usize::MAX,
                lines: vec![Line { set, x: LEFT, baseline: FOOT, size: FOOT_SIZE }],
                said: None,
                picture: None,
                barcode: Some(outline),
            });
        }
        Ok(self.pages)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(format: Format, language: Language, paragraph: String) -> Letter {
        Letter {
            reference: "5d0b1f0e-2f6a-4c11-9a1e-1b6e2f6a9c11".into(),
            address_lines: (1..=7).map(|line| format!("Long address line number {line}")).collect(),
            date: language.date(jiff::civil::date(2025, 10, 6)),
            heading: "Heading".into(),
            paragraphs: vec![paragraph],
            pictures: Vec::new(),
            language,
            format,
        }
    }

    /// Where the window of an envelope shows the sheet, wherever the sheet lies in it: from, to, in millimetres. The
    /// sheet is folded to 99 mm, lies in a pocket of 110 by 220 mm, and rises by `rise` from its foot; the window is 35 by
    /// 90 mm, 20 mm from the left and from the foot (BS 4264).
    fn shown(rise: f32) -> ((f32, f32), (f32, f32)) {
        let top = 110.0 - 20.0 - 35.0 - (110.0 - 99.0) + rise;
        let left = (20.0 - 10.0, 20.0);
        ((left.1, left.0 + 90.0), (top, top + 35.0))
    }

    #[test]
    fn seven_address_lines_lie_in_the_window_and_nothing_else_does() {
        let faces = Faces::load().unwrap();
        for format in [Format::Standard, Format::LargePrint, Format::EasyRead] {
            for language in Language::ALL {
                let text = "word ".repeat(100);
                let pages = lay_out(&letter(format, language, text), 1, 1, faces).unwrap();
                for rise in [0.0, 3.5, 7.0] {
                    let ((left, right), (top, bottom)) = shown(rise);
                    let mut inside = 0;
                    for line in pages[0].blocks.iter().flat_map(|block| &block.lines) {
                        let (from, to) = (line.x, line.x + line.width());
                        let (above, below) = (line.baseline - line.size * 0.8, line.baseline + line.size * 0.25);
                        let is_in = above >= mm(top) && below <= mm(bottom);
                        let is_out = below <= mm(top) || above >= mm(bottom) || from >= mm(110.0);
                        assert!(is_in || is_out, "{format:?} {language:?} rise {rise}: {} at {above}", line.set.text());
                        if is_in {
                            assert!(from >= mm(left) && to <= mm(right), "{from} to {to}");
                            inside += 1;
                        }
                    }
                    assert_eq!(inside, 7, "{format:?} {language:?} rise {rise}");
                }
            }
        }
    }

    #[test]
    fn large_print_is_18_point_or_more_but_for_the_address_and_the_suppliers_foot() {
        let faces = Faces::load().unwrap();
        for language in Language::ALL {
            let pages = lay_out(&letter(Format::LargePrint, language, "word ".repeat(200)), 1, 1, faces).unwrap();
            for block in pages.iter().flat_map(|page| &page.blocks) {
                for line in block.lines.iter().filter(|_| block.role != Role::Artifact) {
                    let is_address = line.baseline > ADDRESS_TOP && line.baseline < mm(79.0) && line.x == LEFT;
                    assert!(is_address && block.lines.len() == 7 || line.size >= 18.0, "{}", line.set.text());
                }
            }
        }
    }

    #[test]
    fn a_long_paragraph_runs_over_the_page_and_stays_within_its_margins() {
        let faces = Faces::load().unwrap();
        for (language, word) in [(Language::English, "word "), (Language::Arabic, "كلمة ")] {
            let pages = lay_out(&letter(Format::Standard, language, word.repeat(1500)), 1, 1, faces).unwrap();
            assert!(pages.len() > 1);
            for page in &pages {
                let text =
                    page.blocks.iter().filter(|block| block.role != Role::Artifact).flat_map(|block| &block.lines);
                for line in text {
                    assert!(line.baseline <= BOTTOM && line.baseline >= mm(15.0));
                    assert!(line.x >= LEFT - 0.5 && line.x + line.width() <= RIGHT + 0.5, "{}", line.set.text());
                }
            }
            let paragraph: Vec<usize> =
                pages.iter().map(|page| page.blocks.iter().rev().nth(1).unwrap().element).collect();
            assert!(paragraph.windows(2).all(|pair| pair[0] == pair[1]));
        }
    }

    #[test]
    fn a_picture_keeps_its_text_beside_it() {
        let faces = Faces::load().unwrap();
        let easy = Letter {
            paragraphs: vec!["Some easy words to read. ".repeat(4); 12],
            pictures: vec![Some(Picture::Calendar); 12],
            ..letter(Format::EasyRead, Language::English, String::new())
        };
        let pages = lay_out(&easy, 1, 1, faces).unwrap();
        assert!(pages.len() > 1);
        let mut seen = 0;
        for page in &pages {
            for (index, block) in page.blocks.iter().enumerate() {
                let Some((_, _, top)) = block.picture else { continue };
                let beside = &page.blocks[index + 1];
                assert!(beside.lines.len() > 1 && beside.lines[0].baseline > top);
                assert!(top + PICTURE_SIZE <= BOTTOM + mm(5.0));
                assert!(beside.lines.iter().all(|line| line.x >= LEFT + PICTURE_COLUMN));
                seen += 1;
            }
        }
        assert_eq!(seen, 12);
    }
}
