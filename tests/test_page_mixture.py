"""The mixture to drag: its score and its flow are the library's, and it follows the reader."""

import itertools
import re

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from playwright.sync_api import expect

from lib.book import figures
from lib.diffusion import edm
from lib.exact import probability_flow
from lib.page import drag_mixture, surface
from tests.conftest import ROOT

RNG = np.random.default_rng(0)


@pytest.fixture
def shown(monkeypatch):
    """The first state of the mixture as HTML."""
    outputs = []
    monkeypatch.setattr(surface, "display", lambda html: outputs.append(html.data))
    figures.use_style()
    drag_mixture.show()
    yield outputs[0]
    plt.close("all")


def test_the_first_state_shows_where_the_points_end():
    """The dots are the last points of the walk, and all shares are in sight."""
    figures.use_style()
    panels, _ = drag_mixture.parts(18, 10.0)
    plane, shares = panels["plane"], panels["shares"]
    ends = np.stack(plane.marks["points"].get_data(), -1)
    means = np.array(drag_mixture.MEANS)
    off = np.linalg.norm(ends[:, None] - means, axis=-1) / np.array(drag_mixture.SPREADS)
    assert (off.min(1) < 4).mean() > 0.95
    marked = np.stack(plane.marks["marked"].get_data(), -1)
    assert np.array_equal(marked[-1], ends[0])
    assert np.allclose(marked[0], [0.5, 5.5])  # from noise at 10
    assert len(ends) == 240
    paths = np.stack(plane.marks["paths"].get_data(), -1).reshape(24, 20, 2)  # 18 steps and a gap
    assert np.isnan(paths[:, -1]).all()
    assert np.array_equal(paths[:, -2], ends[1:25])
    for k in range(3):
        ring = np.stack(plane.marks[f"ring{k + 1}"].get_data(), -1) - means[k]
        assert np.allclose(np.linalg.norm(ring, axis=1), 0.5)  # two standard deviations
        seen = np.stack(shares.marks[f"share{k + 1}"].get_data(), -1)
        apart = np.exp(
            -((marked[:-1, None] - means) ** 2).sum(-1) / 2 / (0.0625 + seen[:, :1] ** 2)
        )
        assert np.allclose(seen[:, 1], apart[:, k] / apart.sum(1))
    assert np.allclose(seen[[0, -1], 0], [10.0, drag_mixture.LOW])
    drawn = np.concatenate([line.get_ydata() for line in shares.axes.lines])
    assert shares.axes.get_ylim()[0] < drawn.min()
    assert drawn.max() < shares.axes.get_ylim()[1] < 1.1
    plt.close("all")


def walked(exact, noise, high, churn=0.0):
    """Where the sampler takes noise in 18 steps, with fresh noise before each of them."""
    levels = [float(v) for v in edm.noise_levels(18, drag_mixture.LOW, high)]
    random = torch.Generator().manual_seed(2)
    x = levels[0] * noise
    for level, after in itertools.pairwise(levels):
        raised = level * (1 + churn * (2**0.5 - 1))
        fresh = torch.randn(x.shape, generator=random, dtype=x.dtype)
        x = x + (raised**2 - level**2) ** 0.5 * fresh
        slope = (x - exact.posterior_mean(x, raised)) / raised
        if after > 0:
            ahead = x + (after - raised) * slope
            slope = (slope + (ahead - exact.posterior_mean(ahead, after)) / after) / 2
        x = x + (after - raised) * slope
    return x


def test_what_the_chapter_tells_to_find_is_found():
    """From noise 1 the points end too near the middle, and fresh noise on the way mends that."""
    text = (ROOT / "chapters/diffusion_models.ipynb").read_text(encoding="utf-8")
    assert "Start from noise 1 in place of 10. The points end too near the middle." in text
    assert "Where the denoiser errs, or the start, or the steps, fresh noise can mend it" in text
    exact, random = drag_mixture.mixture(), torch.Generator().manual_seed(1)
    noise = torch.randn(4000, 2, generator=random, dtype=torch.float64)
    true = exact.cov.diagonal().sum()

    def spread(*setting):
        return walked(exact, noise, *setting).var(0).sum() / true

    assert 0.95 < spread(10.0) < 1.05
    assert spread(1.0) < 0.85
    assert 0.95 < spread(1.0, 1.0) < 1.05
    ends = walked(exact, noise, 1.0)
    of = exact.responsibilities(ends, drag_mixture.LOW).argmax(-1)
    assert ((torch.bincount(of) / len(of)) - 1 / 3).abs().max() < 0.04  # shares are not what errs


@pytest.fixture
def kernel(browser):
    page = browser.new_page()
    page.add_script_tag(content=surface.script("drag_mixture"))
    yield page
    page.close()


def cases(n: int):
    """Random mixtures as the module takes them, and as the library has them."""
    for _ in range(n):
        means, spreads = RNG.uniform(-3, 3, (3, 2)), RNG.uniform(0.05, 1.2, 3)
        plain = {"means": means.tolist(), "spreads": spreads.tolist()}
        yield plain, drag_mixture.mixture(means, spreads)


@pytest.mark.site
def test_shares_and_denoiser_are_the_librarys(kernel):
    x, sigma = RNG.normal(0, 4, (30, 2)), RNG.choice([0.02, 0.3, 2.0, 40.0], 30)
    code = """([mixture, x, sigma]) => x.map(([a, b], k) => {
        const share = new Float64Array(3);
        const guess = [...mixture_js.denoised(mixture, a, b, sigma[k], share, [0, 0])];
        return [...guess, ...share];
    })"""
    for plain, exact in cases(6):
        found = torch.tensor(kernel.evaluate(code, [plain, x.tolist(), sigma.tolist()]))
        mean = exact.posterior_mean(torch.as_tensor(x), torch.as_tensor(sigma))
        share = exact.responsibilities(torch.as_tensor(x), torch.as_tensor(sigma))
        assert torch.linalg.norm(found - torch.cat([mean, share], 1)) < 1e-6 * mean.norm()


@pytest.mark.site
def test_the_flow_is_the_librarys(kernel):
    """Against the score's own solver in `lib.exact` and against the sampler of `edm`."""
    noise = RNG.standard_normal((50, 2))
    code = """([mixture, noise, steps, high]) => {
        const levels = mixture_js.noiseLevels(steps, 0.02, high);
        const walk = mixture_js.path(mixture, Float64Array.from(noise), levels);
        return { levels, walk: walk.map((points) => [...points]) };
    }"""
    for (plain, exact), steps, high in zip(cases(3), (1, 7, 40), (80.0, 2.0, 10.0), strict=True):
        found = kernel.evaluate(code, [plain, noise.ravel().tolist(), steps, high])
        levels = edm.noise_levels(steps, 0.02, high)
        assert found["levels"] == pytest.approx(levels, rel=1e-12)
        start = torch.as_tensor(noise)
        path = probability_flow(exact.score, levels[0] * start, levels)
        ours = torch.tensor(found["walk"], dtype=torch.float64).unflatten(1, (-1, 2))
        assert torch.linalg.norm(ours - path) < 1e-6 * path.norm()

        def best(x, sigma, conditions, exact=exact):
            return exact.posterior_mean(x, sigma)

        end = edm.sample(best, start, steps=steps, sigma_min=0.02, sigma_max=high)
        assert torch.linalg.norm(ours[-1] - end) < 1e-6 * end.norm()


@pytest.mark.site
def test_with_noise_on_the_way_the_points_still_have_the_mixtures_law(kernel):
    plain = {"means": drag_mixture.MEANS, "spreads": drag_mixture.SPREADS}
    code = """(mixture) => {
        const { normal } = random_js.stream(5), noise = Float64Array.from({ length: 8000 }, normal);
        const levels = mixture_js.noiseLevels(48, 0.02, 20);
        const ends = (churn) => [...mixture_js.path(mixture, noise, levels, churn, normal).at(-1)];
        return [ends(0), ends(0.5), ends(0.5)];
    }"""
    still, one, other = np.array(kernel.evaluate(code, plain)).reshape(3, -1, 2)
    exact = drag_mixture.mixture()
    assert np.abs(one - other).mean() > 0.3  # another path each time
    for ends in (still, one, other):
        assert (
            np.abs(ends.mean(0) - exact.mean.numpy()).max()
            < 4 * (exact.cov.diagonal().max() / 4000) ** 0.5
        )
        assert np.cov(ends.T) == pytest.approx(exact.cov.numpy(), abs=0.06)


@pytest.mark.site
def test_it_follows_hands_keys_and_sliders(shown, browser):
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    faults = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.set_content(f"<body>{shown}</body>")
    points, levels = page.locator('[data-mark="points"]'), page.locator('[data-mark="levels"]')
    cluster = page.get_by_role("slider", name="cluster 1: its place")
    box, before = cluster.bounding_box(), points.get_attribute("d")
    page.mouse.move(box["x"] + 18, box["y"] + 18)
    page.mouse.down()
    page.mouse.move(box["x"] - 10, box["y"] + 60, steps=3)
    page.mouse.up()
    expect(points).not_to_have_attribute("d", before)
    expect(cluster).to_have_attribute("aria-valuetext", re.compile("^at −1[.]"))
    steps = page.locator("input[type=range]").first
    before = levels.get_attribute("d")
    steps.focus()
    steps.press("ArrowLeft")
    expect(levels).not_to_have_attribute("d", before)
    expect(steps).to_have_attribute("aria-valuetext", "12")
    for slider in page.locator("[role=slider]").all():
        before = slider.get_attribute("aria-valuetext")
        slider.press("ArrowUp")
        expect(slider).not_to_have_attribute("aria-valuetext", before)
    before = points.get_attribute("d")
    page.get_by_role("button", name="new noise").click()
    expect(points).not_to_have_attribute("d", before)
    assert not faults
    page.close()


@pytest.mark.parametrize("change", [{"steps": 0}, {"steps": 65}, {"steps": 5}, {"high": 7.0}])
def test_what_the_picture_has_no_room_for_is_refused(change):
    with pytest.raises(ValueError, match="steps lie in"):
        drag_mixture.show(**change)


def test_what_is_drawn_first_is_in_sight():
    panels, _ = drag_mixture.parts(12, drag_mixture.HIGHS[-1])
    for name, panel in panels.items():
        ax = panel.axes
        for mark, artist in panel.marks.items():
            points = ax.transData.transform(np.column_stack(artist.get_data()))
            points = ax.transAxes.inverted().transform(points[np.isfinite(points).all(1)])
            seen = ((points >= 0) & (points <= 1)).all(1).mean()
            # Paths come in from noise far outside of the plane; shares are seen whole.
            assert seen == 1 if name == "shares" else seen > 0.1, (name, mark)
    plt.close("all")
