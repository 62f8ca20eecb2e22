//! Style of the Markdown that apps and web pages render from action descriptions.

/// What is wrong with the text, with the line at fault: headings, lists and links that Markdown would not recognise as
/// such.
pub(crate) fn style_problems(text: &str) -> Vec<String> {
    let mut problems = Vec::new();
    let mut problem = |message: &str, line: &str| problems.push(format!("{message}: {line:?}"));
    let mut previous_blank = true;
    for line in text.lines() {
        let hashes = line.bytes().take_while(|b| *b == b'#').count();
        let after = line.get(hashes..).unwrap_or_default();
        let heading = (1..=6).contains(&hashes);
        if heading && !after.starts_with(' ') && !after.trim().is_empty() {
            problem("a heading needs a space after its hashes", line);
        }
        if heading && !after.trim().is_empty() && !previous_blank {
            problem("a heading needs a blank line before it", line);
        }
        if is_tight_bullet(line) {
            problem("a list item needs a space after its bullet", line);
        }
        if has_spaced_link(line) {
            problem("a link is written [text](url), without a space between", line);
        }
        if has_swapped_link(line) {
            problem("a link is written [text](url), not (text)[url]", line);
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
