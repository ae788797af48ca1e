"""The player: what it stores is what Matplotlib would draw, in every state."""

import base64
import io
import json
import re

import ipywidgets
import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

from lib.book import figures, player


@pytest.fixture
def shown(monkeypatch):
    """What the player displays, instead of displaying it."""
    outputs = []
    for module in (player, figures):
        monkeypatch.setattr(module, "display", lambda html: outputs.append(html.data))
    figures.use_style()
    yield outputs
    plt.close("all")


def spec(output: str) -> dict:
    return json.loads(re.search(r'<script type="application/json">(.*?)</script>', output, re.S)[1])


def coordinates(part: dict) -> np.ndarray:
    numbers = np.frombuffer(base64.b64decode(part["data"]), "<i2") / 40
    return numbers.reshape(*part["shape"], part["n"])


def test_a_line_is_stored_where_matplotlib_draws_it(shown):
    x, y = np.linspace(1, 100, 7), np.random.default_rng(0).random((3, 2, 7)) + 0.1
    for scale in ("linear", "log"):
        states = []
        for start in ({}, {"b": 1, "a": 2}):
            fig, ax = plt.subplots()
            ax.set(xscale=scale, yscale=scale, xlim=(0.5, 200), ylim=(0.05, 2))
            (line,) = ax.plot([], [])
            mark = player.Line(line, x[None, None], y)
            player.show(fig, {"a": [1, 2, 3], "b": [4, 5]}, [mark], alt="a line", start=start)
            path = re.search(r'id="[^"]*mark-0">\s*<path d="([^"]+)"', shown[-1])[1]
            drawn = np.array(re.findall(r"[ML] (\S+) (\S+)", path), float)
            stored = spec(shown[-1])["marks"][0]
            index = (start.get("a", 0), start.get("b", 0))
            ours = np.stack([coordinates(stored["x"])[0, 0], coordinates(stored["y"])[index]], -1)
            assert np.abs(ours - drawn).max() <= 0.5 / 40 + 1e-6
            states.append(drawn)
        assert not np.allclose(*states)


@pytest.mark.parametrize("origin", ["upper", "lower"])
@pytest.mark.parametrize("rgb", [False, True])
def test_an_image_is_stored_as_matplotlib_writes_it(shown, origin, rgb):
    values = np.random.default_rng(1).random((2, 3, 4, 3) if rgb else (2, 3, 4))
    fig, ax = plt.subplots()
    image = ax.imshow(np.zeros((3, 4, 3) if rgb else (3, 4)), origin=origin, vmin=0, vmax=1)
    ax.set_axis_off()
    player.show(fig, {"k": [0, 1]}, [player.Image(image, values)], alt="a picture")
    png = base64.b64decode(re.search(r"data:image/png;base64,\s*([^\"]+)\"", shown[0])[1])
    drawn = np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)
    stored = spec(shown[0])["marks"][0]
    assert (stored["height"], stored["width"]) == (3, 4)
    bytes_ = np.frombuffer(base64.b64decode(stored["data"]), np.uint8)
    if rgb:
        ours = bytes_.reshape(2, 3, 4, 3)[0].astype(int)
    else:
        palette = np.frombuffer(base64.b64decode(stored["palette"]), np.uint8).reshape(256, 3)
        ours = palette[bytes_.reshape(2, 3, 4)[0]].astype(int)
    assert np.abs(ours - drawn).max() <= 3  # 256 levels


def test_the_alt_text_follows_sliders_and_readouts(shown):
    fig, ax = plt.subplots()
    label = ax.text(0.5, 0.5, "")
    marks = [player.Label(label, np.array([["one"], ["two"]]))]
    readouts = {"E": np.array([[1.0, 2.0], [3.0, 4.0]])}
    player.show(
        fig, {"case": ["p", "q"], "t": [0.5, 1.5]}, marks, alt="{case} at {t}: {E}",
        readouts=readouts, start={"case": 1}, formats={"E": ".2f"}, play="t",
    )  # fmt: skip
    assert 'aria-label="q at 0.5: 3.00"' in shown[0]
    assert [s["choice"] for s in spec(shown[0])["sliders"]] == [True, False]
    assert [s["play"] for s in spec(shown[0])["sliders"]] == [False, True]


def test_a_label_is_stored_where_and_as_it_stands(shown):
    """On a figure of 4 x 2 inches, 288 x 144 points; a phone's is 3.6 inches wide."""
    fig = plt.figure(figsize=(4, 2), layout="none")
    fig.add_axes([0.1, 0.1, 0.8, 0.8])
    texts = [
        fig.text(0.25, 0.75, "", ha="right", va="top", fontsize=12),
        fig.text(0.5, 0.25, "", ha="center", va="center", color=figures.RED),
        fig.text(0.1, 0.5, "", fontsize=8),
    ]
    marks = [player.Label(text, np.array(["one", "two"])) for text in texts]
    player.show(fig, {"k": [0, 1]}, marks, alt="labels")
    stored = spec(shown[0])["marks"]
    assert [m["at"] for m in stored] == [[72, 36], [144, 108], [28.8, 72]]
    assert [m["narrow"]["at"][0] for m in stored] == [64.8, 129.6, 25.92]
    assert [m["narrow"]["size"] for m in stored] == [12, 10, 8.4]
    assert [m["size"] for m in stored] == [12, 10, 8]
    assert [m["anchor"] for m in stored] == ["end", "middle", "start"]
    assert [m["baseline"] for m in stored] == ["hanging", "central", "auto"]
    assert [m["colour"] for m in stored] == ["currentColor", figures.RED, "currentColor"]


def test_a_gap_and_what_is_off_the_picture_have_numbers_of_their_own(shown):
    fig, ax = plt.subplots()
    (line,) = ax.plot([], [])
    ax.set(xlim=(0, 1), ylim=(0, 1))
    ax.autoscale(False)
    x = np.array([[0.0, 1e9, -1e9, 0.5]])
    player.show(fig, {"k": [0]}, [player.Line(line, x, [[np.nan, 1e9, -1e9, 0.5]])], alt="a line")
    stored = spec(shown[0])["marks"][0]
    numbers = {axis: np.round(40 * coordinates(stored[axis])[0]) for axis in "xy"}
    assert numbers["x"][1:3].tolist() == [32767, -32767]
    assert numbers["y"][:3].tolist() == [-32768, -32767, 32767]  # down the page


def test_colour_pictures_of_more_than_fifty_thousand_bytes_are_one_sheet(shown):
    for height, kind in ((128, "data"), (129, "sheet")):  # x 130 x 3 bytes
        fig, ax = plt.subplots()
        values = np.zeros((1, height, 130, 3))
        image = player.Image(ax.imshow(values[0]), values)
        player.show(fig, {"k": [0]}, [image], alt="a picture")
        assert {"data", "sheet"} & set(spec(shown[-1])["marks"][0]) == {kind}


def test_a_palette_runs_from_the_first_colour_to_the_last(shown):
    fig, ax = plt.subplots()
    image = ax.imshow(np.zeros((1, 4)), vmin=-1, vmax=1, cmap="viridis")
    values = np.array([[[-1, 1, 0.2, 7]]])
    player.show(fig, {"k": [0]}, [player.Image(image, values)], alt="a picture")
    stored = spec(shown[0])["marks"][0]
    levels = np.frombuffer(base64.b64decode(stored["data"]), np.uint8)
    assert levels.tolist() == [0, 255, 153, 255]
    palette = np.frombuffer(base64.b64decode(stored["palette"]), np.uint8).reshape(256, 3)
    expected = plt.get_cmap("viridis")(np.arange(256))[:, :3]
    assert np.abs(palette - 255 * expected).max() <= 0.5


def test_axes_make_room_for_every_state(shown):
    fig, ax = plt.subplots()
    (line,) = ax.plot([], [])
    player.show(fig, {"k": [0, 1]}, [player.Line(line, [[0, 1]], [[0, 1], [0, 50]])], alt="a line")
    assert ax.get_ylim()[1] >= 50


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"alt": "{nothing}"}, "alt text names 'nothing'"),
        ({"play": "nothing"}, "No slider is called 'nothing'"),
        ({"start": {"nothing": 0}}, "No slider is called 'nothing'"),
        ({"start": {"k": 2}}, "'k' starts at 2; it has 2 values"),
        ({"start": {"k": -1}}, "'k' starts at -1; it has 2 values"),
        ({"play": "E", "readouts": {"E": np.zeros(2)}}, "No slider is called 'E'"),
        ({"sliders": {"k": []}}, "each slider needs values"),
        ({"sliders": {}}, "needs sliders"),
        ({"formats": {"nothing": "d"}}, "No slider or readout is called 'nothing'"),
        ({"readouts": {"E": np.zeros(3)}}, r"first axes must be those of the sliders, \(2,\)"),
        ({"sliders": {"k": [0, 1, 2]}}, r"first axes must be those of the sliders, \(3,\)"),
    ],
)
def test_bad_arguments_are_refused(shown, change, message):
    fig, ax = plt.subplots()
    (line,) = ax.plot([], [])
    arguments = {"sliders": {"k": [0, 1]}, "alt": "a line"} | change
    with pytest.raises(ValueError, match=message):
        player.show(fig, marks=[player.Line(line, [[0, 1]], [[0, 1], [1, 0]])], **arguments)


def test_what_the_script_cannot_draw_is_refused(shown):
    fig, ax = plt.subplots()
    (line,) = ax.plot([], [], "o")
    image, label = ax.imshow(np.zeros((2, 2))), ax.text(0, 0, "", rotation=30)
    nothing = np.full((2, 2, 2), np.nan)
    for mark, message in [
        (player.Line(line, [[0, 1]], nothing[0]), "markers needs finite numbers"),
        (player.Image(image, nothing), "image needs finite numbers"),
        (player.Label(label, np.array(["a", "b"])), "not rotated"),
    ]:
        with pytest.raises(ValueError, match=message):
            player.show(fig, {"k": [0, 1]}, [mark], alt="none")


def test_a_text_can_not_end_the_script_that_carries_it(shown):
    fig, ax = plt.subplots()
    mark = player.Label(ax.text(0, 0, ""), np.array(["</script><!--<script>"]))
    player.show(fig, {"k": [0]}, [mark], alt="a label")
    assert spec(shown[0])["marks"][0]["strings"] == ["</script><!--<script>"]
    assert shown[0].count("<script") == 2


@pytest.mark.site
def test_markers_lines_labels_and_images_move_in_the_browser(shown, browser):
    """Every kind of mark, and markers that lie off the picture in the first state."""
    fig, ax = plt.subplots()
    ax.set(xlim=(0, 4), ylim=(0, 1))
    (dots,) = ax.plot([], [], "o")
    y = np.array([[0.5, 50, 0.5, 0.5], [0.1, 0.2, 0.3, 0.4]])
    label = ax.text(2, 0.5, "", va="center", color=figures.RED)
    image = ax.imshow(np.zeros((2, 2)), extent=(0, 1, 0, 1), vmin=0, vmax=1)
    marks = [
        player.Line(dots, [[0.5, 1.5, 2.5, 3.5]], y),
        player.Label(label, np.array(["one", "two"])),
        player.Image(image, np.array([np.zeros((2, 2)), np.ones((2, 2))])),
    ]
    ax.set(xlim=(0, 4), ylim=(0, 1))
    player.show(fig, {"k": [0, 1]}, marks, alt="state {k}")
    page = browser.new_page()
    faults = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.set_content(f"<body>{shown[0]}</body>")
    before = page.locator("image").first.get_attribute("href")
    page.locator("input").fill("1")
    mark = spec(shown[0])["marks"][0]
    stored = coordinates(mark["y"])[1]
    _, _, factor, offset = mark["narrow"]
    for picture, places in (("wide", stored), ("narrow", factor * stored + offset)):
        found = page.locator(f'.book-{picture} [id$="mark-0"] use').evaluate_all(
            "all => all.map(e => +e.getAttribute('y'))"
        )
        assert np.allclose(found, places, atol=0.006)
        assert page.locator(f'.book-{picture} [id$="mark-1"] text').text_content() == "two"
        svg = page.locator(f"svg.book-{picture}")
        assert svg.get_attribute("aria-label") == "state 1"
        assert svg.locator("image").get_attribute("href") != before
    assert not faults


@pytest.mark.site
def test_frames_follow_in_the_browser(shown, browser):
    def draw(k):
        fig, ax = plt.subplots(figsize=(2, 2))
        ax.bar([0, 1], [k, 1])
        return fig

    player.frames(draw, {"k": [1, 2, 3]}, alt="bars {k}", play="k")
    page = browser.new_page()
    page.set_content(f"<body>{shown[0]}</body>")
    before = page.locator("svg").evaluate("e => e.innerHTML")
    page.locator("input").fill("2")
    assert page.locator("svg").evaluate("e => e.innerHTML") != before
    assert page.locator("svg").get_attribute("aria-label") == "bars 3"


# As VS Code's notebook renderer runs the scripts of an HTML output.
MOVED = """html => {
  const container = document.createElement("div");
  document.body.append(container);
  container.innerHTML = html;
  for (const node of [...container.getElementsByTagName("script")]) {
    const script = document.createElement("script");
    script.text = node.innerText;
    if (node.type) script.setAttribute("type", node.type);
    container.appendChild(script).parentNode.removeChild(script);
  }
}"""


def test_a_player_whose_script_is_moved_still_plays(shown, browser):
    for _ in range(2):
        fig, ax = plt.subplots()
        text = ax.text(0.5, 0.5, "")
        strings = np.array(["one", "two", "three"])
        player.show(fig, {"k": [1, 2, 3]}, [player.Label(text, strings)], alt="number {k}")
    assert shown[0] != shown[1]  # two names
    page = browser.new_page()
    faults = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    for output in (*shown, shown[0]):  # the same output twice, as in two open notebooks
        page.evaluate(MOVED, output)
    assert not faults
    for k in range(3):
        figure = page.locator(".book-player").nth(k)
        figure.locator("input").press("ArrowRight")
        assert figure.locator("svg").first.get_attribute("aria-label") == "number 2"
    page.close()


def test_more_than_a_megabyte_is_refused(shown):
    fig, ax = plt.subplots()
    (line,) = ax.plot([], [])
    y = np.zeros((200, 3000))
    with pytest.raises(ValueError, match=r"takes 1\.6 MB; at most 1 MB"):
        player.show(fig, {"k": range(200)}, [player.Line(line, y[:1], y)], alt="a line")


def test_frames_hold_whole_figures(shown):
    def draw(k, name):
        fig, ax = plt.subplots(figsize=(2, 2))
        ax.bar([0, 1], [k, 1], label=name)
        return fig

    player.frames(draw, {"k": [1, 2, 3], "name": ["p", "q"]}, alt="bars {k} {name}", play="k")
    assert len(spec(shown[0])["frames"]) == 6
    assert 'aria-label="bars 1 p"' in shown[0]
    with pytest.raises(ValueError, match="No slider is called 'x'"):
        player.frames(draw, {"k": [1], "name": ["p"]}, alt="bars", play="x")


def test_a_live_cell_is_a_picture_on_the_website_and_widgets_elsewhere(shown, monkeypatch):
    def draw(mu):
        fig, ax = plt.subplots()
        ax.plot([0, mu])
        return fig

    slider = ipywidgets.FloatSlider(value=2.0, description="mu")
    monkeypatch.setenv("BOOK_STATIC", "1")
    player.live(draw, alt="a line", mu=slider)
    assert 'aria-label="a line"' in shown[0]
    monkeypatch.setenv("BOOK_STATIC", "0")
    boxes = []
    monkeypatch.setattr(player, "display", boxes.append)
    player.live(draw, alt="a line", mu=slider)
    assert boxes[0].children[0] is slider


def test_pictures_with_another_number_of_channels_are_refused(shown):
    fig, ax = plt.subplots()
    image = player.Image(ax.imshow(np.ones((2, 2, 4))), np.ones((2, 2, 2, 4)))
    with pytest.raises(ValueError, match="three channels, RGB, not 4"):
        player.show(fig, {"t": [0, 1]}, [image], alt="none")


@pytest.mark.parametrize("n", [1, 2, 3, 5, 7, 12])
def test_a_sheet_holds_every_picture_in_its_place(n):
    levels = 20 * np.arange(1, n + 1)
    pictures = np.broadcast_to(levels[:, None, None, None], (n, 16, 16, 3)).astype(np.uint8)
    coded = player._sheet(pictures)
    sheet = np.asarray(Image.open(io.BytesIO(base64.b64decode(coded["sheet"]))).convert("RGB"))
    assert coded["across"] == np.ceil(np.sqrt(n))
    assert sheet.shape == (16 * np.ceil(n / coded["across"]), 16 * coded["across"], 3)
    for k in range(n):
        row, column = divmod(k, coded["across"])
        tile = sheet[16 * row : 16 * row + 16, 16 * column : 16 * column + 16]
        assert abs(tile.mean() - levels[k]) < 5, k  # webp is not exact
