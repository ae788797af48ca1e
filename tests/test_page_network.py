"""Stored networks in the page: the same pictures as the library's, from the same files."""

import base64

import pytest
import torch

from lib.diffusion import edm
from lib.experiments import length_results
from lib.page import surface

PLACES = [[0.21, 0.33], [0.7, 0.62], [0.5, 0.9]]
NETWORKS = ["label_all.vector", "label_one.map", "label_one.full_local", "label_one.local_local"]
CODE = """([file, noise, places, levels, sigma]) => {
    const buffer = Uint8Array.from(atob(file), (c) => c.charCodeAt(0)).buffer;
    const D = network_js.denoiser(buffer);
    const x = { data: Float32Array.from(noise), c: 3, h: 32, w: 32 };
    if (sigma) return [...D({ ...x, data: x.data.map((v) => v * sigma) }, sigma, places).data];
    let last;
    for (const picture of network_js.path(D, x, places, levels)) last = picture;
    return [...last.data];
}"""


@pytest.fixture
def kernel(browser):
    page = browser.new_page()
    page.add_script_tag(content=surface.script("network"))
    yield page
    page.close()


def stored(name: str) -> bytes:
    return (length_results.FOLDER / f"{name}.seed0.safetensors").read_bytes()


def asked(kernel, file: bytes, places=PLACES, sigma=0.0, levels=(), noise=None):
    noise = torch.zeros(3072) if noise is None else noise.flatten()
    arguments = [base64.b64encode(file).decode(), noise.tolist(), places, list(levels), sigma]
    return torch.tensor(kernel.evaluate(CODE, arguments)).reshape(1, 3, 32, 32)


@pytest.mark.site
@pytest.mark.parametrize("name", NETWORKS)
def test_same_noise_same_request_same_picture(kernel, name):
    denoiser = length_results.denoiser(name)
    noise = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    conditions = torch.tensor([PLACES]), torch.ones(1, 3, dtype=torch.bool)
    for sigma in (0.05, 1.0, 20.0):
        ours = asked(kernel, stored(name), sigma=sigma, noise=noise)
        with torch.no_grad():
            theirs = denoiser(sigma * noise, sigma, conditions)
        assert (ours - theirs).abs().max() < 1e-3
    ours = asked(kernel, stored(name), levels=edm.noise_levels(6), noise=noise)
    theirs = edm.sample(denoiser, noise, conditions, steps=6)
    assert theirs.std() > 0.05
    assert (ours - theirs).abs().max() < 1e-3


@pytest.mark.site
@pytest.mark.parametrize(
    ("file", "places", "sentence"),
    [
        (lambda raw: raw[:4], PLACES, "cut short"),
        (lambda raw: raw[: len(raw) // 2], PLACES, "cut short"),
        (lambda raw: raw[:8] + b"x" * 20 + raw[28:], PLACES, "damaged"),
        (lambda raw: raw.replace(b"trunk.up.bias", b"trunk.uq.bias"), PLACES, r"lacks trunk\.up"),
        (lambda raw: raw.replace(b"unet.vector", b"unit.vector"), PLACES, "not known here"),
        (lambda raw: raw, [[0.2, 1.3]], "outside the picture"),
        (lambda raw: raw, [[0.2, 0.3]] * 17, "at most 16 requests, not 17"),
    ],
)
def test_what_cannot_be_drawn_is_said(kernel, file, places, sentence):
    from playwright.sync_api import Error

    with pytest.raises(Error, match=sentence):
        asked(kernel, file(stored("label_all.vector")), places, sigma=1.0)
