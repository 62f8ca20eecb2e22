use super::*;

fn letter(index: usize) -> Letter {
    Letter {
        reference: format!("5d0b1f0e-2f6a-4c11-9a1e-{index:012}"),
        address_lines: vec![
            format!("Ms Siân Ŵyn-Łukasz {index}"),
            format!("{index} High Street"),
            "Leeds".into(),
            "LS1 4AP".into(),
        ],
        date: "6 October 2025".into(),
        heading: "Book your flu vaccination".into(),
        paragraphs: vec![
            format!("Dear Siân {index},"),
            "You are invited to book your flu vaccination. ".repeat(6),
            "Yours sincerely,\nThe service".into(),
        ],
        large_print: index % 2 == 1,
    }
}

fn text_of(pdf: &[u8]) -> Vec<String> {
    let document = lopdf::Document::load_mem(pdf).unwrap();
    document
        .get_pages()
        .keys()
        .map(|page| document.extract_text(&[*page]).unwrap().split_whitespace().collect::<Vec<_>>().join(" "))
        .collect()
}

#[test]
fn each_letter_reads_in_order_and_goes_to_its_own_address() {
    let letters: Vec<Letter> = (0..5).map(letter).collect();
    let batch = typeset(&letters).unwrap();
    let pages = text_of(&batch.pdf);
    assert_eq!(batch.pages_per_letter.len(), 5);
    assert_eq!(pages.len(), batch.pages_per_letter.iter().sum::<u32>() as usize);
    let mut next = 0;
    for (index, letter) in letters.iter().enumerate() {
        let count = batch.pages_per_letter[index] as usize;
        let text = pages[next..next + count].join(" ");
        next += count;
        let mut at = 0;
        let mut expected = vec!["NHS Immunisation Management Service".to_owned()];
        expected.extend(letter.address_lines.clone());
        expected.extend([letter.date.clone(), letter.heading.clone()]);
        expected.extend(letter.paragraphs.iter().map(|text| text.split_whitespace().collect::<Vec<_>>().join(" ")));
        expected.push(format!("Reference {} Letter {} of 5 Page 1 of {count}", letter.reference, index + 1));
        for part in expected {
            let found =
                text[at..].find(&part).unwrap_or_else(|| panic!("letter {index}: no '{part}' after {at} in {text}"));
            at += found + part.len();
        }
        for other in (0..5).filter(|other| *other != index) {
            assert!(!text.contains(&letters[other].address_lines[0]), "letter {index} shows the address of {other}");
        }
    }
}

#[test]
fn fonts_are_embedded_once_and_cut_down_and_the_document_is_tagged() {
    let one = typeset(&[letter(0)]).unwrap();
    let many = typeset(&(0..50).map(letter).collect::<Vec<_>>()).unwrap();
    let fonts = |pdf: &[u8]| {
        let document = lopdf::Document::load_mem(pdf).unwrap();
        document.objects.values().filter(|object| object.as_dict().is_ok_and(|dict| dict.has(b"FontFile2"))).count()
    };
    assert_eq!((fonts(&one.pdf), fonts(&many.pdf)), (2, 2));
    assert!(one.pdf.len() < 60_000, "{} bytes", one.pdf.len());
    let document = lopdf::Document::load_mem(&one.pdf).unwrap();
    let catalogue = document.catalog().unwrap();
    assert!(catalogue.has(b"StructTreeRoot"));
    assert_eq!(catalogue.get(b"Lang").unwrap().as_str().unwrap(), b"en-GB");
}

#[test]
fn the_same_letters_give_the_same_bytes() {
    let letters: Vec<Letter> = (0..3).map(letter).collect();
    assert_eq!(typeset(&letters).unwrap(), typeset(&letters).unwrap());
}

#[test]
fn large_print_takes_more_room() {
    let long = |large_print| Letter { large_print, paragraphs: vec!["Some words. ".repeat(250)], ..letter(0) };
    let batch = typeset(&[long(false), long(true)]).unwrap();
    assert!(batch.pages_per_letter[1] > batch.pages_per_letter[0], "{:?}", batch.pages_per_letter);
}

#[test]
fn a_letter_that_cannot_be_printed_is_named_without_its_address() {
    let with = |change: fn(&mut Letter)| {
        let mut wrong = letter(7);
        change(&mut wrong);
        wrong.check().unwrap_err()
    };
    let reference = letter(7).reference;
    for (error, expected) in [
        (with(|letter| letter.address_lines.truncate(2)), "address_lines: 2 lines; expected 3 to 7"),
        (with(|letter| letter.address_lines = vec!["x".into(); 8]), "address_lines: 8 lines; expected 3 to 7"),
        (with(|letter| letter.address_lines[1] = " ".into()), "address_lines[1]: is empty"),
        (
            with(|letter| letter.address_lines[1] = "W".repeat(60)),
            "address_lines[1]: 60 characters do not fit the window",
        ),
        (with(|letter| letter.address_lines[0] = "李".into()), "address_lines[0]: U+674E cannot be printed"),
        (with(|letter| letter.paragraphs[0] = "e\u{301}".into()), "paragraphs[0]: U+0301 cannot be printed"),
        (with(|letter| letter.paragraphs.clear()), "paragraphs: is empty"),
        (with(|letter| letter.heading.clear()), "heading: is empty"),
    ] {
        assert_eq!(error.to_string(), format!("letter {reference}, {expected}"));
    }
    assert_eq!(letter(7).check(), Ok(()));
    assert_eq!(typeset(&[]), Err(LetterError::BatchSize { letters: 0 }));
}
