//! Style of the Markdown that apps and web pages render from action descriptions.

/// What is wrong with the text: headings, lists and links that Markdown would not recognise as such.
pub(crate) fn style_problems(text: &str) -> Vec<&'static str> {
    let mut problems = Vec::new();
    let mut previous_blank = true;
    for line in text.lines() {
        let hashes = line.bytes().take_while(|b| *b == b'#').count();
        let after = line.get(hashes..).unwrap_or_default();
        let heading = (1..=6).contains(&hashes);
        if heading && !after.starts_with(' ') && !after.trim().is_empty() {
            problems.push("a heading needs a space after its hashes");
        }
        if heading && !after.trim().is_empty() && !previous_blank {
            problems.push("a heading needs a blank line before it");
        }
        if is_tight_bullet(line) {
            problems.push("a list item needs a space after its bullet");
        }
        if has_spaced_link(line) {
            problems.push("a link is written [text](url), without a space between");
        }
        if has_swapped_link(line) {
            problems.push("a link is written [text](url), not (text)[url]");
        }
        previous_blank = line.trim().is_empty();
    }
    problems
}

/// `-item` and `+item`, but not `**bold**`, `*emphasis*`, a rule `---` or a number `-5`.
fn is_tight_bullet(line: &str) -> bool {
    let line = line.trim_start();
    let mut chars = line.chars();
    let Some(bullet @ ('*' | '+' | '-')) = chars.next() else { return false };
    match chars.next() {
        None | Some(' ' | '*' | '+' | '-') => false,
        Some(c) if c.is_ascii_digit() && bullet != '*' => false,
        Some(_) => bullet != '*' || !chars.as_str().contains('*'),
    }
}

fn has_spaced_link(line: &str) -> bool {
    line.match_indices(']').any(|(at, _)| {
        let rest = &line[at + 1..];
        let trimmed = rest.trim_start();
        line[..at].contains('[') && trimmed.len() < rest.len() && trimmed.starts_with("(http")
    })
}

fn has_swapped_link(line: &str) -> bool {
    line.match_indices(")[")
        .any(|(at, _)| line[..at].contains('(') && ["http", "/"].iter().any(|start| line[at + 2..].starts_with(start)))
}
