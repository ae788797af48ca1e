"""The book's data as one file, and the picture that goes with a link."""

import hashlib
import html
import zipfile

import matplotlib.image
import numpy as np
import pytest

from lib import storage
from tests.conftest import ROOT
from tools import cover, data, five_minutes, lighten


def test_the_data_are_all_there_and_their_checksum_is_true(tmp_path):
    results, out = tmp_path / "results", tmp_path / "site"
    (results / "deep").mkdir(parents=True)
    out.mkdir()
    (results / "b.json").write_text("{}")
    (results / "deep/a.bin").write_bytes(bytes(range(256)))
    (results / ".hidden").write_text("no")
    checksum = data.pack(results, out)
    whole = (out / data.NAME).read_bytes()
    assert checksum == hashlib.sha256(whole).hexdigest()
    assert (out / f"{data.NAME}.sha256").read_text() == f"{checksum}  {data.NAME}\n"
    with zipfile.ZipFile(out / data.NAME) as archive:
        assert archive.namelist() == ["results/b.json", "results/deep/a.bin"]
        assert archive.read("results/deep/a.bin") == bytes(range(256))
    (results / "b.json").touch()  # another time, the same data
    assert data.pack(results, out) == checksum
    (results / "b.json").write_text("[]")
    assert data.pack(results, out) != checksum


def test_no_data_are_said_to_be_none(tmp_path):
    with pytest.raises(FileNotFoundError, match="`make results` writes them"):
        data.pack(tmp_path / "nowhere", tmp_path)


def test_a_link_to_the_book_has_its_picture(tmp_path):
    cover.card(tmp_path / cover.CARD)
    picture = matplotlib.image.imread(tmp_path / cover.CARD)
    assert picture.shape[:2] == (630, 1200)
    assert picture[..., :3].min() < 0.5 < picture[..., :3].max()  # something is drawn on white
    page = '<title>T</title><link href="../_static/book.css"><section><h1>T</h1>\n<p>It says.</p>'
    assert f'content="../_static/{cover.CARD}"' in lighten.described(page)
    for address in ("https://a.github.io/b", "https://a.github.io/b/"):
        text = lighten.described(page, address)
        assert f'og:image" content="https://a.github.io/b/_static/{cover.CARD}"' in text
    both = (ROOT / "assets/cover.svg").read_text(encoding="utf-8")
    assert html.escape(f"{cover.ALT} {five_minutes.LOCAL}") in both
    assert cover.opening().count("<figure") == 2
    assert "book-data.zip" in (ROOT / "chapters/copy.md").read_text()


def test_most_measurements_say_where_they_come_from_as_the_page_on_copies_has_it():
    """Most, and not all: older ones name no commit, or one that is no longer there."""
    stored = [path.read_text() for path in storage.RESULTS.glob("**/*.json")]
    words = ("commit", "made", "machine", "python", "torch")
    told = [all(f'"{word}":' in text for word in words) for text in stored]
    assert 0.6 < np.mean(told) < 1
    page = (ROOT / "chapters/copy.md").read_text()
    assert "Most measurements say when, on which machine" in page
    for name in ("README.md", "chapters/index.md"):
        assert "committed measurements, most of which say when" in (ROOT / name).read_text()
    assert "version:" not in (ROOT / "CITATION.cff").read_text().replace("cff-version:", "")
    assert "version" not in page.partition("**How to cite.**")[2]
