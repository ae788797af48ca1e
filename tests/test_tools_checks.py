"""Each check of the book finds the fault that is planted for it, and none where there is none."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from tests.conftest import ROOT
from tools import checks, stamp

FIGURE = '<figure class="book-figure"><svg role="img" aria-label="a line"></svg></figure>'


def notebook(source="figures.show(fig)", html=FIGURE, **cell):
    outputs = [new_output("display_data", {"text/html": html})] if html else []
    code = new_code_cell(source, outputs=outputs, execution_count=1)
    code.update(cell)
    return new_notebook(cells=[code])


def stream(name):
    return [new_output("stream", name=name, text="UserWarning: hm")]


ERROR = [new_output("error", ename="E", evalue="", traceback=[])]
BARE = [new_output("display_data", {"image/png": "x", "text/html": FIGURE})]


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (checks.failed_cells, notebook(), notebook(outputs=ERROR)),
        (checks.failed_cells, notebook(), notebook(execution_count=None)),
        (
            checks.noisy_cells,
            notebook(outputs=stream("stdout")),
            notebook(outputs=stream("stderr")),
        ),
        (checks.missing_figures, notebook(), notebook(html="")),
        (checks.missing_figures, notebook("x = 1", ""), notebook("player.live(draw)", "<p></p>")),
        (checks.missing_figures, notebook(), notebook("figures.show(a); figures.show(b)")),
        (checks.missing_figures, notebook(), notebook(outputs=BARE)),
        (checks.missing_figures, notebook(), notebook(html=FIGURE + "x" * 1_000_001)),
        (checks.missing_alt, notebook(), notebook(html='<figure><svg role="img"></svg></figure>')),
        (checks.missing_alt, notebook(), notebook(html='<img src="x" alt="">')),
        (checks.missing_alt, notebook(), notebook(html='<img src="x" data-alt="later">')),
        (checks.stored_outputs, new_notebook(cells=[new_code_cell("x")]), notebook()),
        (checks.stored_outputs, new_notebook(cells=[new_code_cell("x")]), notebook(outputs=[])),
    ],
)
def test_faults_of_a_notebook(check, good, bad):
    assert check("a.ipynb", good) == []
    assert len(check("a.ipynb", bad)) == 1


def test_another_first_cell():
    code = stamp.first_cell("https://example.org/x", "main")
    good = new_notebook(cells=[new_code_cell(code)])
    bad = new_notebook(cells=[new_code_cell(code + "\n!pip install numpy")])
    assert checks.other_first_cell("a", good, code) == []
    assert len(checks.other_first_cell("a", bad, code)) == 1


def test_equations_and_functions_name_each_other():
    cell = "$$x = 1$$ (eq-one)\n\ncomputed by `lib.a.f`."
    assert checks.equations([cell], {"eq-one": ["lib.a.f"]}) == []
    assert "no docstring cites it" in checks.equations([cell], {})[0]
    assert "no chapter has it" in checks.equations([], {"eq-one": ["lib.a.f"]})[0]
    assert "does not name" in checks.equations([cell], {"eq-one": ["lib.a.f", "lib.a.g"]})[0]
    longer = "$$x$$ (eq-one) by `lib.a.f_more`"
    assert "does not name" in checks.equations([longer], {"eq-one": ["lib.a.f"]})[0]
    assert "two equations" in checks.equations([cell, cell], {"eq-one": ["lib.a.f"]})[0]


def test_docstrings_are_found_at_any_depth(tmp_path):
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib/a.py").write_text(
        'class C:\n    """:eq:`eq-c`"""\n    def f(self):\n        """:eq:`eq-f`"""\n'
    )
    found = checks.docstrings(tmp_path, ["lib.a"])
    assert found == {"eq-c": ["lib.a.C"], "eq-f": ["lib.a.C.f"]}


def site(tmp_path, body):
    html = tmp_path / "html"
    (tmp_path / "outside.html").write_text("")
    (html / "chapters").mkdir(parents=True)
    (html / "chapters/a.html").write_text(f'<h1 id="top">A</h1>{body}')
    return html


@pytest.mark.parametrize(
    ("link", "faults"),
    [
        ("#top", 0),
        ("a.html#top", 0),
        ("https://example.org/none", 0),
        ("#nowhere", 1),
        ("b.html", 1),
        ("a.html#nowhere", 1),
        ("../../outside.html", 1),
    ],
)
def test_dead_links(tmp_path, link, faults):
    assert len(checks.dead_links(site(tmp_path, f'<a href="{link}">x</a>'))) == faults


@pytest.mark.parametrize(
    ("body", "faults"),
    [
        ('<a name="old"></a><a href="#old">x</a>', 0),
        ('<meta name="viewport"><a href="#viewport">x</a>', 1),
        ('<input name="q"><a href="#q">x</a>', 1),
        ('<svg><path id="dot"/><use href="#dot"/></svg>', 0),
        ('<svg><use href="#gone"/><use xlink:href="#gone too"/></svg>', 2),
    ],
)
def test_only_what_is_a_place_is_led_to(tmp_path, body, faults):
    assert len(checks.dead_links(site(tmp_path, body))) == faults


def test_modules_behind_re_exports_are_found(tmp_path):
    (tmp_path / "chapters").mkdir()
    (tmp_path / "chapters/api.md").write_text("")
    found = checks.published_modules(ROOT, ["from lib.sim import swing, linear\nx = 1"])
    assert {"lib.sim.error_curves", "lib.sim.linear"} <= set(found)
    lines = "from lib.exact.discs import (\n    draw,\n    find,\n)"
    assert "lib.exact.discs" in checks.published_modules(tmp_path, [lines])
    renamed = "from lib.diffusion import edm as e, train"
    assert checks.published_modules(tmp_path, [renamed]) == [
        "lib.diffusion.edm",
        "lib.diffusion.train",
    ]


def test_the_table_of_contents_is_read_as_yaml(tmp_path):
    (tmp_path / "chapters").mkdir()
    for name in ("a.ipynb", "b.md"):
        (tmp_path / "chapters" / name).write_text("")
    toc = "root: chapters/b\nparts:\n- chapters:\n  - file: 'chapters/a.ipynb'\n  # - file: c\n"
    (tmp_path / "_toc.yml").write_text(toc)
    assert checks.toc_names(tmp_path) == ["chapters/b", "chapters/a"]
    assert checks.toc_notebooks(tmp_path, tmp_path) == [tmp_path / "chapters/a.ipynb"]
    (tmp_path / "chapters/a.ipynb").unlink()
    with pytest.raises(FileNotFoundError, match="no such page"):
        checks.toc_names(tmp_path)


def test_lost_figures(tmp_path):
    (tmp_path / "chapters").mkdir()
    nbformat.write(notebook(), tmp_path / "chapters/a.ipynb")
    page = site(tmp_path, FIGURE) / "chapters/a.html"
    assert checks.lost_figures(tmp_path / "html", tmp_path) == []
    page.write_text("nothing")
    assert len(checks.lost_figures(tmp_path / "html", tmp_path)) == 1


def test_machine_paths(tmp_path):
    copy = tmp_path / "_executed" / "smoke"
    copy.mkdir(parents=True)
    assert checks.machine_paths(site(tmp_path, "clean"), copy) == []
    (tmp_path / "html/chapters/a.html").write_text(f"see {tmp_path}/lib")
    assert len(checks.machine_paths(tmp_path / "html", copy)) == 1


@pytest.mark.parametrize("base", ["/book", "/lib", "/code", "/io", "/home/ann/book [2]"])
def test_only_real_paths_are_found(base):
    clean = (
        '<link href="../_static/book.css"><code>lib/book/x.py</code> <a href="https://a.io/b">'
        "&lt;/code&gt; someone.github.io/io /books /library /iota /encode sys/io ../lib/x"
    )
    path = checks.carries(base)
    assert not path.search(clean)
    for found in (f"in {base}/lib/sim.py", f'"{base}"', f"file://{base}/x", f"({base}:3)"):
        assert path.search(found)


def test_a_path_is_found_as_an_address_too():
    assert checks.carries("/home/ann/book [2]").search(
        '<a href="file:///home/ann/book%20%5B2%5D/x">'
    )
    assert checks.carries("/home/a&b").search("<pre>/home/a&amp;b/lib</pre>")


def test_the_book_itself_has_none_of_these():
    assert checks.sources(ROOT) == []
