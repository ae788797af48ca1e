"""Text-to-image networks of the library diffusers as denoisers that this book can look into.

Nothing here imports diffusers: what is taken needs its methods only. A network that was trained on
x_t = sqrt(a_t) x0 + sqrt(1 - a_t) n is asked in the book's variables, x = x_t / sqrt(a_t) and
sigma = sqrt(1 / a_t - 1). With a pipeline and its weights at hand::

    pipe = diffusers.StableDiffusionPipeline.from_pretrained(...)
    denoise = pipeline.from_diffusers(pipe.unet, pipe.scheduler, pipeline.prompts(pipe))
    x = latents + 3.0 * torch.randn_like(latents)              # (B, 4, 64, 64)
    names = ("a red cube", "a blue ball")
    seen = locality.pixel_locality(denoise, x, 3.0, names, (32, 32))
    gone = locality.conditional_locality(denoise, x, 3.0, names, locality.remove)

Maps are of latents: a place is 8 x 8 pixels there.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from lib.diffusion import edm

Embed = Callable[[tuple[str, ...]], Tensor]  # conditions -> text embeddings (1, length, width)


def from_diffusers(unet: Any, scheduler: Any, embed: Embed) -> edm.Denoiser:
    """The denoiser D(x, sigma, conditions) of a network of diffusers.

    Args:
        unet: Called `unet(x_t, t, encoder_hidden_states=...)`, t (B,) not necessarily whole, as
            `UNet2DConditionModel`; its answer, or what that holds as `sample`, is of x_t's shape.
        scheduler: Knows a_t as `alphas_cumprod` (T,), and `config.prediction_type`: `epsilon`,
            `v_prediction` or `sample`.
        embed: Text embeddings of a tuple of conditions, which may be empty; see `prompts`.

    Returns:
        D, of x (B, C, H, W) and a sigma between the scheduler's least and greatest.

    Raises:
        ValueError: The scheduler lacks a_t, as one of flow matching, or predicts something else;
            D refuses a sigma outside the levels of the scheduler.
    """
    kept = getattr(scheduler, "alphas_cumprod", None)
    if kept is None:
        raise ValueError("the scheduler has no alphas_cumprod: it must be variance preserving")
    kind = getattr(scheduler.config, "prediction_type", "epsilon")
    if kind not in ("epsilon", "v_prediction", "sample"):
        raise ValueError(f"prediction_type is epsilon, v_prediction or sample, not {kind!r}")
    levels = (1 / kept.double() - 1).sqrt()
    levels = levels[levels.isfinite()]  # a last step without any signal has none
    least, most = levels[0].item(), levels[-1].item()

    def function(x: Tensor, sigma: float | Tensor, conditions: tuple[str, ...] | None = None):
        level = torch.as_tensor(sigma, dtype=torch.float64, device=x.device).expand(len(x))
        if not ((level >= least * (1 - 1e-6)) & (level <= most * (1 + 1e-6))).all():
            raise ValueError(
                f"sigma must lie between the scheduler's {least:.4g} and {most:.4g}, not {sigma}"
            )
        time = timesteps(levels.to(x.device), level).to(x.dtype)
        told = embed(conditions or ())
        told = told.to(x).expand(len(x), *told.shape[1:])
        level = level.to(x.dtype).reshape(-1, *[1] * (x.ndim - 1))
        total = (1 + level**2).sqrt()
        said = unet(x / total, time, encoder_hidden_states=told)
        said = getattr(said, "sample", said)
        if kind == "epsilon":
            return x - level * said
        return x / total**2 - level / total * said if kind == "v_prediction" else said

    return function


def timesteps(levels: Tensor, sigma: Tensor) -> Tensor:
    """The times (B,) at which a schedule of `levels` (T,) has the noise sigma (B,).

    Between two steps ln(sigma) is taken as linear in time, as diffusers' own schedulers do.
    """
    known, wanted = levels.log(), sigma.log()
    after = torch.searchsorted(known, wanted).clamp(1, len(known) - 1)
    low, high = known[after - 1], known[after]
    return after - 1 + ((wanted - low) / (high - low)).clamp(0, 1)


def prompts(pipe: Any, join: str = " and ") -> Embed:
    """Text embeddings of conditions, by a pipeline's own `encode_prompt`.

    Args:
        pipe: As `StableDiffusionPipeline`, with `device`.
        join: What stands between conditions in the prompt; without any it is empty.
    """
    known: dict[tuple[str, ...], Tensor] = {}

    def embed(conditions: tuple[str, ...]) -> Tensor:
        if conditions not in known:
            with torch.no_grad():
                known[conditions] = pipe.encode_prompt(
                    join.join(conditions), pipe.device, 1, False
                )[0]
        return known[conditions]

    return embed
