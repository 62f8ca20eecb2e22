//! Where everything stands on the page. Lengths in points from the left and top edges; baselines for lines.

use krilla::geom::Point;
use krilla::page::PageSettings;
use krilla::surface::Surface;
use krilla::tagging::{Artifact, ArtifactType, ContentTag};

use super::face::{Face, Faces};
use super::{Letter, LetterError};

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
const FOOT: f32 = HEIGHT - mm(15.0);
const FOOT_SIZE: f32 = 8.0;
const SENDER: &str = "NHS Immunisation Management Service";
const SENDER_BASELINE: f32 = mm(22.0);
const SENDER_SIZE: f32 = 13.0;

/// The address block; see the module's documentation.
const ADDRESS_TOP: f32 = mm(46.0);
const ADDRESS_BOTTOM: f32 = mm(75.0);
const ADDRESS_WIDTH: f32 = mm(75.0);
const ADDRESS_SIZE: f32 = 10.5;
const SMALLEST_ADDRESS_SIZE: f32 = 8.0;
/// Seven lines of it fit the block.
const ADDRESS_LEADING: f32 = 11.7;

/// First baseline below the window and the fold.
const DATE_BASELINE: f32 = mm(93.0);

/// What a block of lines is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Paragraph,
    Heading,
    /// Printed, but no part of the text: sender and foot.
    Artifact,
}

impl Role {
    pub(super) fn content(self) -> ContentTag<'static> {
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
}

#[derive(Default)]
pub(super) struct Page {
    pub(super) blocks: Vec<Block>,
}

/// A line of text at its place.
pub(super) struct Line {
    text: String,
    x: f32,
    baseline: f32,
    size: f32,
    bold: bool,
}

impl Line {
    pub(super) fn draw(&self, surface: &mut Surface<'_>, faces: &Faces) {
        let face = if self.bold { &faces.bold } else { &faces.regular };
        surface.draw_glyphs(
            Point::from_xy(self.x, self.baseline),
            &face.line(&self.text),
            face.font.clone(),
            &self.text,
            self.size,
            false,
        );
    }
}

pub(super) fn settings() -> Result<PageSettings, LetterError> {
    PageSettings::from_wh(WIDTH, HEIGHT).ok_or_else(|| LetterError::Pdf("page size".into()))
}

/// The size, in points, at which all address lines fit the window, or the index of the line that does not.
pub(super) fn address_size(lines: &[String], face: &Face) -> Result<f32, usize> {
    let mut size = ADDRESS_SIZE;
    for (index, line) in lines.iter().enumerate() {
        let fitting = ADDRESS_WIDTH / face.width(line.trim()).max(f32::EPSILON);
        if fitting < SMALLEST_ADDRESS_SIZE {
            return Err(index);
        }
        size = size.min(fitting);
    }
    Ok(size)
}

/// Places a checked letter, `sequence` of `total`.
pub(super) fn lay_out(letter: &Letter, sequence: usize, total: usize, faces: &Faces) -> Result<Vec<Page>, LetterError> {
    let size = if letter.large_print { 18.0 } else { 12.0 };
    let mut flow = Flow { pages: vec![Page::default()], baseline: 0.0, element: 0 };

    let sender_width = faces.bold.width(SENDER) * SENDER_SIZE;
    flow.block(Role::Paragraph, vec![line(SENDER, RIGHT - sender_width, SENDER_BASELINE, SENDER_SIZE, true)]);

    let address_size =
        address_size(&letter.address_lines, &faces.regular).map_err(|index| LetterError::AddressTooWide {
            reference: letter.reference.clone(),
            index,
            characters: letter.address_lines.get(index).map_or(0, |line| line.chars().count()),
        })?;
    let mut baseline = ADDRESS_TOP + ADDRESS_SIZE;
    let mut lines = Vec::with_capacity(letter.address_lines.len());
    for text in &letter.address_lines {
        lines.push(line(&format!("{} ", text.trim()), LEFT, baseline, address_size, false));
        baseline += ADDRESS_LEADING;
    }
    debug_assert!(baseline - ADDRESS_LEADING <= ADDRESS_BOTTOM);
    flow.block(Role::Paragraph, lines);

    flow.baseline = DATE_BASELINE;
    flow.text(Role::Paragraph, &letter.date, size, false, faces);
    flow.baseline += size * 0.7;
    flow.text(Role::Heading, &letter.heading, size + 4.0, true, faces);
    flow.baseline += size * 0.3;
    for paragraph in &letter.paragraphs {
        flow.text(Role::Paragraph, paragraph, size, false, faces);
        flow.baseline += size * 0.6;
    }

    let count = flow.pages.len();
    for (index, page) in flow.pages.iter_mut().enumerate() {
        let foot =
            format!("Reference {}   Letter {sequence} of {total}   Page {} of {count}", letter.reference, index + 1);
        page.blocks.push(Block {
            role: Role::Artifact,
            element: usize::MAX,
            lines: vec![line(&foot, LEFT, FOOT, FOOT_SIZE, false)],
        });
    }
    Ok(flow.pages)
}

fn line(text: &str, x: f32, baseline: f32, size: f32, bold: bool) -> Line {
    Line { text: text.to_owned(), x, baseline, size, bold }
}

/// Text running down the pages.
struct Flow {
    pages: Vec<Page>,
    baseline: f32,
    element: usize,
}

impl Flow {
    fn block(&mut self, role: Role, lines: Vec<Line>) {
        self.element += 1;
        self.continue_block(role, lines);
    }

    fn continue_block(&mut self, role: Role, lines: Vec<Line>) {
        if let (Some(page), false) = (self.pages.last_mut(), lines.is_empty()) {
            page.blocks.push(Block { role, element: self.element, lines });
        }
    }

    fn text(&mut self, role: Role, text: &str, size: f32, bold: bool, faces: &Faces) {
        let face = if bold { &faces.bold } else { &faces.regular };
        let leading = size * 1.35;
        let broken = break_lines(text, (RIGHT - LEFT) / size, face);
        // A first line does not stand alone at the foot of a page, nor a heading without text below it.
        let together = if role == Role::Heading { broken.len() + 2 } else { broken.len().min(2) };
        if self.baseline + leading * together.saturating_sub(1) as f32 > BOTTOM {
            self.turn(size);
        }
        self.element += 1;
        let mut lines = Vec::new();
        for text in broken {
            if self.baseline > BOTTOM {
                self.continue_block(role, std::mem::take(&mut lines));
                self.turn(size);
            }
            lines.push(line(&text, LEFT, self.baseline, size, bold));
            self.baseline += leading;
        }
        self.continue_block(role, lines);
    }

    fn turn(&mut self, size: f32) {
        self.pages.push(Page::default());
        self.baseline = TOP + size;
    }
}

/// Breaks a text into lines no wider than `width` em, at spaces, and within a word only where the word alone is wider.
/// Lines end with a space, so that text taken from the PDF keeps its words apart.
fn break_lines(text: &str, width: f32, face: &Face) -> Vec<String> {
    let mut lines = Vec::new();
    let space = face.width(" ");
    for hard in text.lines() {
        let mut line = String::new();
        let mut used = 0.0;
        for word in hard.split_whitespace() {
            let wide = face.width(word);
            if !line.is_empty() && used + wide > width {
                lines.push(std::mem::take(&mut line));
                used = 0.0;
            }
            if wide > width {
                for character in word.chars() {
                    let one = face.glyph(character).map_or(0.0, |(_, width)| width);
                    if !line.is_empty() && used + one > width {
                        lines.push(std::mem::take(&mut line));
                        used = 0.0;
                    }
                    line.push(character);
                    used += one;
                }
            } else {
                line.push_str(word);
                used += wide;
            }
            line.push(' ');
            used += space;
        }
        if !line.is_empty() {
            lines.push(line);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seven_address_lines_stay_inside_the_window() {
        let last = ADDRESS_TOP + ADDRESS_SIZE + 6.0 * ADDRESS_LEADING;
        assert!(last <= ADDRESS_BOTTOM, "{last} {ADDRESS_BOTTOM}");
        assert!(LEFT >= mm(20.0) && LEFT + ADDRESS_WIDTH <= mm(110.0));
    }

    #[test]
    fn lines_break_at_spaces_and_never_outgrow_the_measure() {
        let face = Faces::load().unwrap().regular;
        let text = "One two three four five\nsix https://www.example.org/a-very-long-address-that-does-not-fit-on-one-line seven";
        let lines = break_lines(text, 12.0, &face);
        assert!(lines.iter().all(|line| face.width(line.trim_end()) <= 12.0), "{lines:?}");
        let joined: String = lines.concat();
        assert_eq!(joined.split_whitespace().collect::<Vec<_>>().join(" "), text.replace('\n', " "));
        assert!(lines.iter().any(|line| line == "six "), "{lines:?}");
        assert!(break_lines("", 12.0, &face).is_empty());
    }

    #[test]
    fn a_long_paragraph_runs_over_the_page_and_stays_above_the_foot() {
        let faces = Faces::load().unwrap();
        let letter = Letter {
            reference: "r".into(),
            address_lines: vec!["A".into(), "B".into(), "C".into()],
            date: "today".into(),
            heading: "Heading".into(),
            paragraphs: vec!["word ".repeat(1500)],
            large_print: false,
        };
        let pages = lay_out(&letter, 1, 1, &faces).unwrap();
        assert!(pages.len() > 1);
        for page in &pages {
            let text = page.blocks.iter().filter(|block| block.role != Role::Artifact).flat_map(|block| &block.lines);
            assert!(text.clone().all(|line| line.baseline <= BOTTOM && line.baseline >= mm(15.0)));
            assert!(
                text.clone().all(|line| line.x + line.size * faces.bold.width(line.text.trim_end()) <= RIGHT + 60.0)
            );
        }
        let paragraph: Vec<usize> = pages.iter().map(|page| page.blocks.iter().rev().nth(1).unwrap().element).collect();
        assert!(paragraph.windows(2).all(|pair| pair[0] == pair[1]));
    }
}
