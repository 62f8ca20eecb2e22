"""The letters benchmark in WeasyPrint: letters_weasyprint.py FOLDER FONTS SINGLES

Typesets the letters of FOLDER/letters.json, the first SINGLES one by one and then all in one PDF (FOLDER/peer.pdf), and compares
the words of that with those of FOLDER/ours.pdf. Prints processor times, sizes and the comparison as one line of JSON.
"""

import html
import json
import sys
import time
from pathlib import Path

import pypdfium2
import weasyprint
from weasyprint.text.fonts import FontConfiguration

FOLDER, FONTS, SINGLES = Path(sys.argv[1]), Path(sys.argv[2]).resolve(), int(sys.argv[3])

STYLE = f"""
@font-face {{ font-family: Letter; src: url(file://{FONTS}/OpenSans-Regular.ttf) }}
@font-face {{ font-family: Letter; font-weight: bold; src: url(file://{FONTS}/OpenSans-Bold.ttf) }}
@page {{ size: A4; margin: 0 }}
html {{ font: 12pt/1.35 Letter }}
body {{ margin: 0 }}
section {{ position: relative; width: 210mm; height: 297mm; break-after: page; overflow: hidden }}
.sender {{ position: absolute; top: 17mm; right: 25mm; margin: 0; font-weight: bold; font-size: 13pt }}
.address {{ position: absolute; top: 51mm; left: 25mm; width: 75mm; margin: 0; font-size: 10.5pt; line-height: 13.4pt }}
.text {{ position: absolute; top: 91mm; left: 25mm; right: 25mm }}
.text p {{ margin: 0 0 7.2pt }}
h1 {{ font-size: 17pt; margin: 8pt 0 }}
.foot {{ position: absolute; bottom: 13mm; left: 25mm; margin: 0; font-size: 8pt; white-space: pre }}
svg {{ position: absolute; bottom: 11mm; right: 25mm; width: 10mm; height: 10mm }}
"""


def lines(texts):
    return "<br>".join(html.escape(text) for text in texts)


def barcode(rows):
    path = "".join(
        f"M{x} {y}h1v1h-1z" for y, row in enumerate(rows) for x, module in enumerate(row) if module == "1"
    )
    return f'<svg viewBox="0 0 24 24" aria-hidden="true"><path d="{path}"/></svg>'


def section(letter):
    paragraphs = "".join(f"<p>{lines(text.splitlines())}</p>" for text in letter["paragraphs"])
    return (
        f'<section><p class="sender">NHS Immunisation Management Service</p>'
        f'<p class="address">{lines(letter["address_lines"])}</p>'
        f'<div class="text"><p>{letter["date"]}</p><h1>{html.escape(letter["heading"])}</h1>{paragraphs}</div>'
        f'<p class="foot">{letter["foot"]}</p>{barcode(letter["barcode"])}</section>'
    )


def pdf(letters, fonts, style):
    body = "".join(map(section, letters))
    document = f'<html lang="en-GB"><head><title>Vaccination letters</title></head><body>{body}</body></html>'
    return weasyprint.HTML(string=document).write_pdf(
        stylesheets=[style], font_config=fonts, pdf_variant="pdf/ua-1"
    )


def words(path):
    document = pypdfium2.PdfDocument(path)
    return [page.get_textpage().get_text_range().split() for page in document]


def main():
    letters = json.loads((FOLDER / "letters.json").read_text(encoding="utf-8"))
    fonts = FontConfiguration()
    style = weasyprint.CSS(string=STYLE, font_config=fonts)
    pdf(letters[:1], fonts, style)  # fonts are found, modules loaded

    begun = time.process_time()
    singles = [pdf([letter], fonts, style) for letter in letters[:SINGLES]]
    single_seconds = time.process_time() - begun
    begun = time.process_time()
    batch = pdf(letters, fonts, style)
    batch_seconds = time.process_time() - begun

    (FOLDER / "peer.pdf").write_bytes(batch)
    print(
        json.dumps(
            {
                "version": weasyprint.__version__,
                "single_seconds": single_seconds,
                "single_bytes": sum(map(len, singles)),
                "batch_seconds": batch_seconds,
                "batch_bytes": len(batch),
                "equal_words": words(FOLDER / "peer.pdf") == words(FOLDER / "ours.pdf"),
            }
        )
    )


main()
