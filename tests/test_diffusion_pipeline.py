"""A network of diffusers as a denoiser: a stand-in whose answer is known, and diffusers itself."""

from types import SimpleNamespace

import pytest
import torch

from lib import locality
from lib.diffusion import edm, pipeline

STEPS = 40
SHAPE = (2, 3, 3)  # channels, rows, columns
D = 18
ROOT = torch.randn(D, D, generator=torch.Generator().manual_seed(1)).double() / 3
EYE = torch.eye(D, dtype=torch.float64)
COV = ROOT @ ROOT.T + 0.1 * EYE
MEANS = torch.randn(3, D, generator=torch.Generator().manual_seed(2)).double()  # of three words
WORDS = ("red", "blue", "round")
LEVELS = torch.exp(torch.linspace(-3, 3, STEPS, dtype=torch.float64))  # of noise, by step


def scheduler(kind="epsilon"):
    return SimpleNamespace(
        alphas_cumprod=1 / (1 + LEVELS**2), config=SimpleNamespace(prediction_type=kind)
    )


def embed(conditions):
    """One token, the mean that the words add up to."""
    return sum((MEANS[WORDS.index(c)] for c in conditions), torch.zeros(D).double())[None, None]


def posterior(x, sigma, mean):
    """E[x0 | x0 + sigma n = x] for x0 ~ N(mean, COV), flat (B, D)."""
    gain = COV @ torch.linalg.inv(COV + sigma**2 * EYE)
    return mean + (x - mean) @ gain.T


def gaussian(kind, wrapped=True):
    """The exact network of Gaussian data, in diffusers' own variables."""

    def unet(x_t, t, encoder_hidden_states):
        assert x_t.shape[1:] == SHAPE
        assert t.shape == (len(x_t),)
        sigma = float((-3 + 6 * t[0] / (STEPS - 1)).exp())  # of a time that need not be whole
        a = 1 / (1 + sigma**2)
        flat = x_t.flatten(1)
        x0 = posterior(flat / a**0.5, sigma, encoder_hidden_states[:, 0])
        noise = (flat - a**0.5 * x0) / (1 - a) ** 0.5
        v = a**0.5 * noise - (1 - a) ** 0.5 * x0
        answer = {"epsilon": noise, "v_prediction": v, "sample": x0}[kind].view_as(x_t)
        return SimpleNamespace(sample=answer) if wrapped else answer

    return unet


X = 2 * torch.randn(4, *SHAPE, generator=torch.Generator().manual_seed(3)).double()


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction", "sample"])
@pytest.mark.parametrize("sigma", [LEVELS[0].item(), LEVELS[17].item(), 0.77, 5.3])
def test_the_denoiser_is_the_posterior_mean(kind, sigma):
    denoise = pipeline.from_diffusers(gaussian(kind), scheduler(kind), embed)
    for names in ((), ("blue",), ("red", "round")):
        found = denoise(X, sigma, names).flatten(1)
        exact = posterior(X.flatten(1), sigma, embed(names)[0])
        assert torch.linalg.norm(found - exact) < 1e-9 * torch.linalg.norm(exact)
    assert torch.equal(denoise(X, sigma), denoise(X, sigma, ()))
    bare = pipeline.from_diffusers(gaussian(kind, wrapped=False), scheduler(kind), embed)
    assert torch.equal(bare(X, torch.full((4,), sigma, dtype=torch.float64)), denoise(X, sigma))


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction"])
def test_locality_looks_into_it(kind):
    denoise, sigma = pipeline.from_diffusers(gaussian(kind), scheduler(kind), embed), 0.9
    seen = locality.pixel_locality(denoise, X, sigma, ("red",), (1, 2))
    gain = (COV @ torch.linalg.inv(COV + sigma**2 * EYE)).view(*SHAPE, *SHAPE)
    exact = gain[:, 1, 2].square().sum((0, 1)).sqrt()
    assert torch.linalg.norm(seen - exact) < 1e-9
    h = torch.zeros_like(X)
    h[:, 0, 2, 1] = 1e-5  # by differences
    slope = (denoise(X + h, sigma, ("red",)) - denoise(X - h, sigma, ("red",))) / 2e-5
    assert torch.linalg.norm(slope[0, :, 1, 2] - gain[:, 1, 2, 0, 2, 1]) < 1e-8
    gone = locality.conditional_locality(denoise, X, sigma, ("red", "round"), locality.remove)
    for j, name in enumerate(("red", "round")):
        mean = embed((name,))[0, 0]
        moved = (mean - gain.view(D, D) @ mean).view(SHAPE).norm(dim=0)
        assert torch.linalg.norm(gone[j] - moved) < 1e-9


def test_its_score_is_that_of_the_noised_data():
    denoise = pipeline.from_diffusers(gaussian("v_prediction"), scheduler("v_prediction"), embed)
    found = edm.as_score(denoise)(X, 0.6, ("red",)).flatten(1)
    away = embed(("red",))[0] - X.flatten(1)
    exact = away @ torch.linalg.inv(COV + 0.36 * EYE)
    assert torch.linalg.norm(found - exact) < 1e-8 * torch.linalg.norm(exact)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="no alphas_cumprod"):
        pipeline.from_diffusers(gaussian("epsilon"), SimpleNamespace(), embed)
    with pytest.raises(ValueError, match="not 'flow'"):
        pipeline.from_diffusers(gaussian("epsilon"), scheduler("flow"), embed)
    denoise = pipeline.from_diffusers(gaussian("epsilon"), scheduler(), embed)
    for sigma in (0.01, 100.0, float("nan")):
        with pytest.raises(ValueError, match=r"between the scheduler's 0\.04979 and 20\.09"):
            denoise(X, sigma)


def test_a_last_step_without_signal_is_left_out():
    last = scheduler()
    last.alphas_cumprod = torch.cat([last.alphas_cumprod, torch.zeros(1).double()])
    found = pipeline.from_diffusers(gaussian("epsilon"), last, embed)(X, LEVELS[-1].item())
    exact = posterior(X.flatten(1), LEVELS[-1].item(), torch.zeros(D).double())
    assert torch.linalg.norm(found.flatten(1) - exact) < 1e-8


def test_prompts_are_joined_and_embedded_once():
    heard = []

    def encode_prompt(prompt, device, number, guided):
        heard.append((prompt, device, number, guided))
        return torch.full((1, 5, 7), float(len(prompt))), None

    told = pipeline.prompts(SimpleNamespace(encode_prompt=encode_prompt, device="cpu"))
    assert told(("a cube", "a ball")).mean() == len("a cube and a ball")
    assert told(()).mean() == 0
    told(())
    assert [h[0] for h in heard] == ["a cube and a ball", ""]
    assert {h[1:] for h in heard} == {("cpu", 1, False)}


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction"])
def test_on_a_network_of_diffusers_itself(kind):
    diffusers = pytest.importorskip("diffusers")
    torch.manual_seed(0)
    unet = diffusers.UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(8, 16),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=12,
        attention_head_dim=4,
        norm_num_groups=4,
    ).double().eval()  # fmt: skip
    steps = diffusers.DDIMScheduler(
        prediction_type=kind, clip_sample=False, beta_schedule="scaled_linear"
    )
    steps.set_timesteps(1000)
    tokens = torch.randn(3, 5, 12, generator=torch.Generator().manual_seed(4)).double()

    def told(conditions):
        return sum((tokens[WORDS.index(c)] for c in conditions), torch.zeros(5, 12).double())[None]

    denoise = pipeline.from_diffusers(unet, steps, told)
    x = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(5)).double()
    for t in (0, 371, 999):
        a = steps.alphas_cumprod[t].double()
        sigma = float((1 / a - 1).sqrt())
        x_t = a.sqrt() * x
        with torch.no_grad():
            said = unet(x_t, t, encoder_hidden_states=told(("red",))).sample
            own = steps.step(said, t, x_t).pred_original_sample
            found = denoise(x, sigma, ("red",))
        assert torch.linalg.norm(found - own) < 1e-5 * torch.linalg.norm(own)
    names, sigma = ("red", "blue"), 1.3
    seen = locality.pixel_locality(denoise, x, sigma, names, (2, 5))
    columns = []
    with torch.no_grad():
        for c in range(4):
            h = torch.zeros_like(x)
            h[0, c, 6, 3] = 1e-5
            columns.append((denoise(x + h, sigma, names) - denoise(x - h, sigma, names)) / 2e-5)
    slope = torch.stack(columns)[:, 0, :, 2, 5].norm()
    assert seen.shape == (8, 8)
    assert abs(seen[6, 3] - slope) < 1e-6 * slope
    gone = locality.conditional_locality(denoise, x, sigma, names, locality.remove)
    with torch.no_grad():
        alone = denoise(x, sigma, ("blue",)) - denoise(x, sigma, names)
    assert gone.shape == (2, 8, 8)
    assert torch.linalg.norm(gone[0] - alone[0].norm(dim=0)) < 1e-9
    assert gone.norm() > 1e-6
