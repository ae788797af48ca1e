"""Networks in the page: the same pictures as the library's, from the same files."""

import base64
import itertools

import pytest
import torch

from lib.diffusion import asking, edm, hearing, networks, patch, train
from lib.experiments import length_generalization as length
from lib.experiments.length_generalization import SETTINGS
from lib.page import surface

PLACES = [[0.02, 0.33], [0.7, 0.62], [0.5, 0.98]]
CODE = """([file, side, noise, places, questions, levels]) => {
    const buffer = Uint8Array.from(atob(file), (c) => c.charCodeAt(0)).buffer;
    const D = network_js.denoiser(buffer);
    const x = { data: Float32Array.from(noise), c: 3, h: side, w: side };
    if (levels) return [[...[...network_js.path(D, x, places, levels)].at(-1).data]];
    return questions.map(([way, sigma]) => {
        const asked = Function("D", `return ${way}`)(D);
        return [...asked({ ...x, data: x.data.map((v) => v * sigma) }, sigma, places).data];
    });
}"""


def everywhere(grid):
    return lambda conditions, sigma: hearing.everywhere(conditions, grid)


def mean(grid):
    return lambda conditions, sigma: hearing.mean(conditions, grid)


def window(grid):
    return lambda conditions, sigma: hearing.window(conditions, grid, 1)


def levels(denoiser, grid):
    locally = asking.by_place(denoiser, asking.nearest(grid))
    return asking.by_level(0.5, 30.0, locally, denoiser)


# How the page asks, and how the library does.
HEARD = {
    "heard: all": ("everywhere(p, D.grid)", everywhere),
    "heard: mean": ("mean(p, D.grid)", mean),
    "heard: window": ("within(p, D.grid, 1)", window),
    "heard: nearest": ("nearest(p, D.grid)", asking.nearest),
    "heard: soft": ("nearest(p, D.grid, 0.1)", lambda grid: asking.nearest(grid, 0.1)),
}
HEARD = {
    name: (
        f"asking_js.heard(D, (p) => hearing_js.{page})",
        lambda denoiser, grid, hear=hear: asking.with_hearing(denoiser, hear(grid)),
    )
    for name, (page, hear) in HEARD.items()
}
NEAREST = "asking_js.byPlace(D, (p) => hearing_js.nearest(p, D.grid))"
COMPOSED = {
    "by place: nearest": (
        NEAREST,
        lambda denoiser, grid: asking.by_place(denoiser, asking.nearest(grid)),
    ),
    "by place: all": (
        "asking_js.byPlace(D, (p) => hearing_js.everywhere(p, D.grid))",
        lambda denoiser, grid: asking.by_place(denoiser, everywhere(grid)),
    ),
    "nearest at some levels": (f"asking_js.byLevel(0.5, 30, {NEAREST}, D)", levels),
}
PLAIN = {"as trained": ("D", lambda denoiser, grid: denoiser)}
WAYS = PLAIN | HEARD | COMPOSED
TINY = {
    **{f"unet.{pathway}": pathway for pathway in ("vector", "fourier", "map", "none")},
    **{
        f"window.{a}.{b}": (a, b) for a, b in itertools.product(("local", "full"), ("local", "all"))
    },
}
STORED = [name for name in SETTINGS if (length.KEPT / f"{name}.seed0.safetensors").exists()]


def tiny(name: str) -> torch.nn.Module:
    """A network of 8 x 8 cells whose random weights make much of its requests."""
    sizes = {"size": 16, "grid": 8}
    if name.startswith("unet"):
        made = networks.UNet(TINY[name], width=10, embedding=12, told=14, hidden=18, **sizes)
    else:
        made = patch.WindowNetwork(*TINY[name], k=2, trunk_width=10, width=9, **sizes)
    generator = torch.Generator().manual_seed(0)
    for key, p in made.named_parameters():
        scale = 1.0 if key.endswith(("table", "positions", "here")) else p[0].numel() ** -0.5
        if key == "condition.enter.weight":
            scale = 5.0  # a spot is faint
        p.data = torch.randn(p.shape, generator=generator) * (0.3 if p.ndim == 1 else scale)
    return made


@pytest.fixture(scope="module")
def kernel(browser):
    page = browser.new_page()
    page.add_script_tag(content=surface.script("asking"))  # and what it imports: the network
    yield page
    page.close()


@pytest.fixture
def written(tmp_path):
    """Writes a tiny network to a file: its bytes, and the denoiser that the library reads there."""

    def write(name):
        path = tmp_path / "network.safetensors"
        train.save_weights(path, edm.Preconditioned(tiny(name), 0.2), {})
        return path.read_bytes(), train.load_weights(path, tiny(name))[0]

    return write


def drawn(side: int) -> torch.Tensor:
    return torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(1))


def told(places) -> tuple:
    return torch.tensor(places).reshape(1, -1, 2), torch.ones(1, len(places), dtype=torch.bool)


def asked(kernel, file: bytes, noise, places=PLACES, questions=(("D", 1.0),), levels=None):
    """The page's answers to questions, each a way and a noise level; or where its path ends."""
    side, file = noise.shape[-1], base64.b64encode(file).decode()
    arguments = [file, side, noise.flatten().tolist(), places, list(questions), levels]
    return torch.tensor(kernel.evaluate(CODE, arguments)).reshape(-1, 1, 3, side, side)


@torch.no_grad()
def compare(kernel, file, denoiser, side, ways, places=PLACES) -> dict[str, torch.Tensor]:
    """The page's answers, by way, at three noise levels; they must be the library's."""
    noise, conditions = drawn(side), told(places) if places else None
    sigmas = (0.05, 1.0, 20.0)
    questions = [(page, sigma) for page, _ in ways.values() for sigma in sigmas]
    found = asked(kernel, file, noise, places, questions).unflatten(0, (len(ways), -1))
    for name, answers in zip(ways, found, strict=True):
        function = ways[name][1](denoiser, side // 2)  # a cell is 2 x 2 pixels
        for sigma, ours in zip(sigmas, answers, strict=True):
            theirs = function(sigma * noise, sigma, conditions)
            assert (ours - theirs).abs().max() < 1e-3, (name, sigma)
    return dict(zip(ways, found, strict=True))


@pytest.mark.site
@pytest.mark.parametrize("name", TINY)
def test_each_kind_of_network_asked_in_each_way_it_takes(kernel, written, name):
    file, denoiser = written(name)
    if name == "unet.none":
        compare(kernel, file, denoiser, 16, PLAIN, [])
        return
    whole = "fourier" in name or "map" in name
    ways = {key: way for key, way in WAYS.items() if not (whole and key in HEARD)}
    answers = compare(kernel, file, denoiser, 16, ways)
    trained = "heard: all" if name.endswith("all") or name == "unet.vector" else ""
    for way, answer in answers.items():
        if way not in ("as trained", trained):  # else it would not matter how the page asks
            assert (answer - answers["as trained"]).abs().max() > 0.01, way
    silent, loud = compare(kernel, file, denoiser, 16, PLAIN, []), answers["as trained"]
    assert (silent["as trained"] - loud).abs().max() > 0.1


@pytest.mark.site
@pytest.mark.parametrize("name", STORED)
def test_stored_networks_same_noise_same_request_same_picture(kernel, name):
    file = (length.KEPT / f"{name}.seed0.safetensors").read_bytes()
    denoiser = length.load_denoiser(name)
    ways = {key: WAYS[key] for key in ("as trained", "by place: nearest")}
    compare(kernel, file, denoiser, 32, ways)
    ours = asked(kernel, file, drawn(32), levels=edm.noise_levels(6))[0]
    theirs = edm.sample(denoiser, drawn(32), told(PLACES), steps=6)
    assert theirs.std() > 0.05
    assert (ours - theirs).abs().max() < 1e-3


def test_networks_of_both_kinds_are_stored():
    kinds = {SETTINGS[name].pathway == "window" for name in STORED}
    assert kinds == {True, False}, f"stored in {length.KEPT}: {STORED}"


WEIGHED = [("(x, sigma, places) => D(x, sigma, places, new Float32Array(64))", 1.0)]
REFUSED = {
    "cut in the header": ("vector", lambda raw: raw[:4], {}, "cut short"),
    "cut in the weights": ("vector", lambda raw: raw[: len(raw) // 2], {}, "cut short"),
    "damaged": ("vector", lambda raw: raw[:8] + b"x" * 20 + raw[28:], {}, "damaged"),
    "a layer": ("vector", lambda raw: raw.replace(b"k.up.b", b"k.uq.b"), {}, r"lacks trunk\.up"),
    "a family": ("map", lambda raw: raw.replace(b"unet.map", b"unit.map"), {}, "not known here"),
    "a pathway": ("map", lambda raw: raw.replace(b"unet.map", b"unet.mob"), {}, "not known here"),
    "outside": ("map", bytes, {"places": [[0.2, 1.3]]}, "outside the picture"),
    "many": ("map", bytes, {"places": [[0.2, 0.3]] * 17}, "at most 16 requests, not 17"),
    "no requests": ("none", bytes, {}, "takes no requests"),
    "weights": ("map", bytes, {"questions": WEIGHED, "places": [[0.2, 0.3]]}, "hears by map"),
    "few weights": ("vector", bytes, {"questions": WEIGHED}, "192 finite weights.* not 64"),
    "another size": ("vector", bytes, {"noise": drawn(32)}, "16 x 16, not 32 x 32"),
}


@pytest.mark.site
@pytest.mark.parametrize(
    ("pathway", "change", "request_", "sentence"), REFUSED.values(), ids=REFUSED
)
def test_what_cannot_be_drawn_is_said(kernel, written, pathway, change, request_, sentence):
    from playwright.sync_api import Error

    file, _ = written(f"unet.{pathway}")
    with pytest.raises(Error, match=sentence):
        asked(kernel, change(file), **{"noise": drawn(16)} | request_)
