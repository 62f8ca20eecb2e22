//! Text as lines: broken at spaces, ordered for its direction, as glyphs.

use krilla::geom::Point;
use krilla::surface::Surface;
use krilla::text::KrillaGlyph;
use unicode_bidi::{Level, ParagraphBidiInfo};

use super::face::{Face, Faces, Weight, is_arabic, is_direction_mark};

/// Glyphs of one face and direction. Lengths in em.
struct Run {
    arabic: bool,
    text: String,
    glyphs: Vec<KrillaGlyph>,
    /// From the left end of the line.
    x: f32,
}

/// A line of text as glyphs, its runs in the order in which they are read.
pub(super) struct Set {
    runs: Vec<Run>,
    pub(super) width: f32,
    weight: Weight,
}

impl Set {
    /// A line whose text goes in this direction. It ends with a space that takes no room, so that text taken from the PDF
    /// keeps its words apart.
    pub(super) fn new(text: &str, right_to_left: bool, weight: Weight, faces: &Faces) -> Self {
        let latin = faces.latin(weight);
        if !right_to_left && text.chars().all(|character| latin.glyph(character).is_some()) {
            let text = format!("{} ", text.trim());
            let width = latin.width(text.trim_end());
            let run = Run { arabic: false, glyphs: latin.plain(&text), text, x: 0.0 };
            return Self { runs: vec![run], width, weight };
        }
        let text = text.trim();
        if text.is_empty() {
            return Self { runs: Vec::new(), width: 0.0, weight };
        }
        let level = if right_to_left { Level::rtl() } else { Level::ltr() };
        let bidi = ParagraphBidiInfo::new(text, Some(level));
        let (levels, visual) = bidi.visual_runs(0..text.len());
        let mut placed = Vec::new();
        let mut x = 0.0;
        for range in visual {
            let backwards = levels.get(range.start).is_some_and(Level::is_rtl);
            let mut parts = by_face(text.get(range.clone()).unwrap_or_default(), backwards, faces, weight);
            if backwards {
                parts.reverse();
            }
            for (at, part, arabic) in parts {
                let face = if arabic { faces.arabic(weight) } else { faces.latin(weight) };
                let glyphs = face.shaped(&part, backwards);
                let width: f32 = glyphs.iter().map(|glyph| glyph.x_advance).sum();
                placed.push((range.start + at, Run { arabic, text: part, glyphs, x }));
                x += width;
            }
        }
        placed.sort_by_key(|(at, _)| *at);
        let mut runs: Vec<Run> = placed.into_iter().map(|(_, run)| run).collect();
        runs.push(Run {
            arabic: false,
            glyphs: latin.plain(" "),
            text: " ".to_owned(),
            x: if right_to_left { 0.0 } else { x },
        });
        Self { runs, width: x, weight }
    }

    /// Draws the line with its left end here.
    pub(super) fn draw(&self, surface: &mut Surface<'_>, x: f32, baseline: f32, size: f32, faces: &Faces) {
        for run in self.runs.iter().filter(|run| !run.glyphs.is_empty()) {
            let face = if run.arabic { faces.arabic(self.weight) } else { faces.latin(self.weight) };
            let start = Point::from_xy(x + run.x * size, baseline);
            surface.draw_glyphs(start, &run.glyphs, face.font.clone(), &run.text, size, false);
        }
    }

    /// Whether glyphs stand for characters otherwise than one by one and in order, so that the text cannot be read off them.
    pub(super) fn is_shaped(&self) -> bool {
        self.runs.len() > 1 || self.runs.iter().any(|run| run.arabic)
    }

    #[cfg(test)]
    pub(super) fn text(&self) -> String {
        self.runs.iter().map(|run| run.text.as_str()).collect()
    }
}

/// Cuts a run of one direction where the face changes: offset, text without marks that have no shape, and whether it is
/// set in the Arabic face. Spaces and signs that both faces have stay with what is before them.
fn by_face(text: &str, backwards: bool, faces: &Faces, weight: Weight) -> Vec<(usize, String, bool)> {
    let (latin, arabic) = (faces.latin(weight), faces.arabic(weight));
    let mut parts: Vec<(usize, String, bool)> = Vec::new();
    for (at, character) in text.char_indices().filter(|(_, character)| !is_direction_mark(*character)) {
        let has = |face: &Face| face.glyph(character).is_some();
        let before = parts.last().map_or(backwards, |(.., arabic)| *arabic);
        let in_arabic = is_arabic(character) || !has(latin) || (before && has(arabic) && !character.is_alphanumeric());
        match parts.last_mut() {
            Some((_, part, of)) if *of == in_arabic => part.push(character),
            _ => parts.push((at, character.to_string(), in_arabic)),
        }
    }
    parts
}

/// Breaks a text into lines no wider than `width` em, at spaces, and within a word only where the word alone is wider.
pub(super) fn break_lines(text: &str, width: f32, right_to_left: bool, weight: Weight, faces: &Faces) -> Vec<String> {
    let latin = faces.latin(weight);
    let measure = |word: &str| {
        if !right_to_left && word.chars().all(|character| latin.glyph(character).is_some()) {
            latin.width(word)
        } else {
            Set::new(word, right_to_left, weight, faces).width
        }
    };
    let space = latin.width(" ");
    let mut lines = Vec::new();
    for hard in text.lines() {
        let mut line = String::new();
        let mut used = 0.0;
        for word in hard.split_whitespace() {
            let wide = measure(word);
            if !line.is_empty() && used + space + wide > width {
                lines.push(std::mem::take(&mut line));
                used = 0.0;
            }
            if !line.is_empty() {
                line.push(' ');
                used += space;
            }
            if wide <= width {
                line.push_str(word);
                used += wide;
                continue;
            }
            for character in word.chars() {
                let one = measure(character.encode_utf8(&mut [0; 4]));
                if !line.is_empty() && used + one > width {
                    lines.push(std::mem::take(&mut line));
                    used = 0.0;
                }
                line.push(character);
                used += one;
            }
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
    fn lines_break_at_spaces_and_never_outgrow_the_measure() {
        let faces = Faces::load().unwrap();
        let text = "One two three four five\nsix https://www.example.org/a-very-long-address-that-does-not-fit-on-one-line seven";
        let lines = break_lines(text, 12.0, false, Weight::Regular, faces);
        let face = faces.latin(Weight::Regular);
        assert!(lines.iter().all(|line| face.width(line) <= 12.0), "{lines:?}");
        let words = |text: &str| text.split_whitespace().collect::<String>();
        assert_eq!(words(&lines.concat()), words(text));
        assert!(lines[1].starts_with("four") || lines.iter().any(|line| line == "six"), "{lines:?}");
        assert!(break_lines("", 12.0, false, Weight::Regular, faces).is_empty());
    }

    #[test]
    fn arabic_is_joined_and_runs_from_the_right_and_its_numbers_and_names_from_the_left() {
        let faces = Faces::load().unwrap();
        // "call 119 now": the first word stands at the right end.
        let set = Set::new("اتصل 119 NHS الآن", true, Weight::Regular, faces);
        assert_eq!(set.text().trim_end(), "اتصل 119 NHS الآن");
        let of = |part: &str| set.runs.iter().find(|run| run.text.contains(part)).unwrap();
        assert!(of("اتصل").x > of("119").x && of("119").x >= of("الآن").x);
        // Joined letters are other glyphs than letters alone.
        let face = faces.arabic(Weight::Regular);
        let joined: Vec<u32> = face.shaped("بب", true).iter().map(|glyph| glyph.glyph_id.to_u32()).collect();
        let alone: Vec<u32> = face.shaped("ب", true).iter().map(|glyph| glyph.glyph_id.to_u32()).collect();
        assert_eq!(joined.len(), 2);
        assert!(!joined.contains(&alone[0]), "{joined:?} {alone:?}");
    }

    #[test]
    fn every_line_of_arabic_keeps_to_the_measure() {
        let faces = Faces::load().unwrap();
        let text = "يمكنك حجز موعد التطعيم ضد الإنفلونزا عبر الإنترنت على www.nhs.uk/get-vaccination أو الاتصال بالرقم 119 مجاناً. ".repeat(3);
        for line in break_lines(&text, 30.0, true, Weight::Regular, faces) {
            let set = Set::new(&line, true, Weight::Regular, faces);
            assert!(set.width <= 30.5, "{}: {line}", set.width);
            assert!(set.runs.iter().all(|run| run.x >= 0.0));
        }
    }
}
