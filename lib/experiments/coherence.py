"""Trains the judge of coherence and tries it on painters of known worth.

    python -m lib.experiments coherence run
    python -m lib.experiments coherence store

Every step paints scenes of 3 to 10 objects and as many pastes: real scenes of one object each, with
a camera and lamps of their own, whose objects stand at the same places, cut along the borders
between the nearest requests. Both kinds are smeared, recoloured and made noisy alike, so that
neither sharpness nor colour tells them apart. Then the judge is tried, by number of objects, on
pictures that it has not seen: real scenes, sharp, smeared and recoloured (most must pass), scissors
(few may), scissors under one light (what remains of it are the seams).

A first measure, how often real pictures look more like one scene than drawn ones (AUC), was given
up when it was tried on the painters, before any network was judged: it called smeared real scenes
half as coherent as sharp ones, though the judge rightly passed them.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from lib import storage
from lib.diffusion import asking, hearing
from lib.diffusion.train import stream
from lib.experiments._training import Seed, judge_training, train_watched
from lib.scenes import render, sample_scenes
from lib.scenes.coherence import Judge, coherence, logits
from lib.scenes.labelling import label_all, request_scenes
from lib.scenes.scene import Scenes, locations, with_locations

GRID = 16  # cells a side, along which pictures are cut
SMEAR = 0.8  # greatest standard deviation of the blur, pixels
NOISE = 0.05  # greatest standard deviation of the noise
COUNTS = (3, 4, 6, 8, 10)  # objects in a picture
Setting = Seed
RUNS = storage.RUNS / "coherence"
KEPT = storage.RESULTS


def pieces(scenes: Scenes, generator: torch.Generator, one_light: bool = False) -> Scenes:
    """Each object in a scene of its own, at the same place of the picture.

    Args:
        scenes: B scenes of K objects, none missing.
        generator: Draws cameras and lamps.
        one_light: Whether they keep the camera and the lamps of their scene.

    Returns:
        K B scenes of one object, object by object.
    """
    places = locations(scenes).transpose(0, 1).reshape(-1, 1, 2)

    count = scenes.mask.shape[1]
    own = sample_scenes(count * len(scenes), 0, 0, generator)  # cameras and lamps, no objects
    if one_light:
        own = scenes[torch.arange(len(scenes)).repeat(count)]

    def flat(tensor: Tensor) -> Tensor:
        return tensor.transpose(0, 1).flatten(0, 1)[:, None]

    alone = Scenes(
        **{
            name: flat(getattr(scenes, name))
            for name in ("shape", "size", "material", "color", "rotation", "coords", "mask")
        },
        camera=own.camera,
        lamps=own.lamps,
    )
    return with_locations(alone, places)


def scissors(
    scenes: Scenes, size: int, generator: torch.Generator, one_light: bool = False
) -> Tensor:
    """Pictures (B, 3, size, size) pasted of real scenes of one object: what must not pass."""
    count = scenes.mask.shape[1]
    drawn = (
        render(pieces(scenes, generator, one_light), size).unflatten(0, (count, -1)).transpose(0, 1)
    )
    shown = asking.enlarged(hearing.nearest(label_all(scenes), GRID), size)
    return (drawn * shown[:, :, None]).sum(1)


def smeared(pictures: Tensor, width: Tensor | float) -> Tensor:
    """Pictures (B, C, H, W) under a Gaussian blur of `width` pixels, one a picture."""
    width = torch.as_tensor(width, dtype=pictures.dtype, device=pictures.device)
    reach = torch.arange(-2, 3, device=pictures.device)
    kernel = (-(reach**2) / (2 * width.expand(len(pictures))[:, None].clamp(min=0.05) ** 2)).exp()
    kernel = kernel / kernel.sum(1, keepdim=True)  # (B, 5)
    channels = pictures.shape[1]
    flat = F.pad(pictures, (2, 2, 2, 2), mode="replicate").flatten(0, 1)[None]
    rows = kernel.repeat_interleave(channels, 0)
    flat = F.conv2d(flat, rows[:, None, :, None], groups=len(rows))
    flat = F.conv2d(flat, rows[:, None, None, :], groups=len(rows))
    return flat[0].unflatten(0, (-1, channels))


def recoloured(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Pictures whose channels are exchanged and scaled a little, the same all over a picture."""
    order = torch.rand(len(pictures), 3, generator=generator, device=generator.device).argsort(1)
    mixed = pictures.gather(1, order[..., None, None].expand_as(pictures))
    gain = torch.rand(len(pictures), 3, 1, 1, generator=generator, device=generator.device)
    return (mixed * (0.85 + 0.3 * gain)).clamp(-1, 1)


def blemished(pictures: Tensor, generator: torch.Generator, recolour: bool = True) -> Tensor:
    """What drawn pictures may differ in without being less of one scene, colours if `recolour`."""
    kwargs = {"generator": generator, "device": generator.device}
    drawn = smeared(pictures, SMEAR * torch.rand(len(pictures), **kwargs))
    drawn = recoloured(drawn, generator) if recolour else drawn
    amount = NOISE * torch.rand(len(pictures), 1, 1, 1, **kwargs)
    return drawn + amount * torch.randn(pictures.shape, **kwargs)


def batch(size: int, generator: torch.Generator, counts=COUNTS) -> tuple[Tensor, Tensor]:
    """Pictures (2 size, 3, 32, 32), real ones and pasted ones, and which are real (2 size,)."""
    count = counts[int(torch.randint(len(counts), (), generator=generator))]
    scenes = sample_scenes(size, count, count, generator)
    others = sample_scenes(size, count, count, generator)
    pictures = torch.cat([render(scenes, 32), scissors(others, 32, generator)])
    truth = torch.arange(2 * size, device=pictures.device) < size
    return blemished(pictures, generator), truth.to(pictures)


def painters(count: int, samples: int, stream: torch.Generator) -> dict[str, Tensor]:
    """What painters of known worth make of the same requests: pictures (samples, 3, 32, 32)."""
    scenes = request_scenes(samples, count, stream)
    real = render(scenes, 32)
    return {
        "real": real,
        "smeared": smeared(real, 0.6),
        "recoloured": recoloured(real, stream),
        "scissors": scissors(scenes, 32, stream),
        "scissors_one_light": scissors(scenes, 32, stream, one_light=True),
    }


def coherence_of_painters(judge: Judge, samples: int, seed: int) -> dict[str, dict[str, float]]:
    """The coherence of each painter by number of objects."""
    found: dict[str, dict[str, float]] = {}
    for count in COUNTS:
        painted = painters(count, samples, stream(seed, count))
        found[str(count)] = {n: coherence(logits(judge, p)) for n, p in painted.items()}
    return found


@dataclass(frozen=True)
class Scale:
    """How long.

    Attributes:
        steps: Of training.
        batch: Real pictures a step, and as many pastes.
        learning_rate: The highest.
    """

    steps: int = 600
    batch: int = 24
    learning_rate: float = 1e-3


def run(setting: Seed, scale: Scale, folder: Path = RUNS, *, samples: int = 256) -> dict:
    """Trains, stores the weights and tries them on the painters, or does what is missing of it.

    Args:
        setting: What is trained.
        scale: How long.
        folder: Where files go.
        samples: Pictures of each painter.

    Returns:
        What is in coherence.json.

    Raises:
        ValueError, FloatingPointError: As `lib.experiments._training.train_watched`.
    """

    def judged(judge: Judge) -> dict:
        return {
            "samples": samples,
            "painters": coherence_of_painters(judge, samples, 1000 + setting.seed),
        }

    loss = F.binary_cross_entropy_with_logits
    training = judge_training(Judge(), batch, loss, setting, scale, warmup=50, beta2=0.999)
    return train_watched(folder / "coherence", setting, scale, training, judge=judged)
