"""What a picture shows: a small convolutional network that finds objects to sub-pixel accuracy.

At every pixel of a 32x32 picture it gives a heat, exp(-d^2 / 2 SPREAD^2) of the distance d to the
nearest object's centre, and the way there, both in pixels. An object is a local maximum of the
heat; dividing that by the heat that an object at the predicted distance would have gives a score
that is 1 for a sure object wherever in its pixel it lies.
"""

from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from lib.scenes.measure import MEASURE, Places
from lib.scenes.render import Annotations
from lib.storage import check_finite, checkpoint

SIZE = 32  # pictures are looked at in this size
SPREAD = 0.8  # of the heat, pixels
NOISE = 0.1  # greatest standard deviation of the noise on training pictures
NEAR = 2.0  # where the way to an object is learned, and a hidden one is nothing to learn, pixels
WEIGHTS = Path(__file__).parents[1] / "results" / "detector.safetensors"


class Detector(nn.Module):
    """Pictures (B, 3, 32, 32) to logit of the heat, way right and way down: (B, 3, 32, 32)."""

    name = "detector-32"

    def __init__(self):
        """A network with random weights. It works on squares of 2x2 pixels."""
        super().__init__()
        self.fine = nn.Sequential(_block(12, 48), _Residual(48), _Residual(48))
        self.coarse = nn.Sequential(_block(48, 64, stride=2), _Residual(64), _Residual(64))
        self.out = nn.Sequential(_block(64 + 48, 48), _Residual(48), nn.Conv2d(48, 12, 1))

    def forward(self, pictures: Tensor) -> Tensor:
        """Logit and way at every pixel."""
        fine = self.fine(F.pixel_unshuffle(pictures, 2))
        coarse = F.interpolate(self.coarse(fine), scale_factor=2)
        return F.pixel_shuffle(self.out(torch.cat([coarse, fine], 1)), 2)


def _block(channels: int, width: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, width, 3, stride, 1, bias=False), nn.GroupNorm(8, width), nn.SiLU()
    )


class _Residual(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.body = nn.Sequential(_block(width, width), _block(width, width))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


def _toward(places: Tensor) -> Tensor:
    """Ways (B, K, 2, 32, 32) from pixels' middles to places (B, K, 2), in pixels."""
    middles = torch.arange(SIZE, device=places.device) + 0.5
    x, y = (places * SIZE)[..., None, None].unbind(2)
    columns, rows = middles.expand(SIZE, SIZE), middles[:, None].expand(SIZE, SIZE)
    return torch.stack([x - columns, y - rows], 2)


def loss(output: Tensor, truth: Annotations) -> Tensor:
    """Cross-entropy of the heat, and how far off the way is near objects.

    Around a heavily hidden object (`MEASURE.visible`) nothing is learned: to find it is neither
    right nor wrong.

    Args:
        output: (B, 3, 32, 32) of the network.
        truth: Labels of the B scenes, with K > 0.

    Returns:
        A scalar.
    """
    way = _toward(truth.location)
    distance = way.square().sum(2)  # (B, K, 32, 32)
    clear = truth.mask & (truth.visibility >= MEASURE.visible)
    seen = distance.masked_fill(~clear[..., None, None], torch.inf)
    hidden = distance.masked_fill(~(truth.mask & ~clear)[..., None, None], torch.inf)
    nearest, index = seen.min(1)  # (B, 32, 32)
    judged = (hidden.amin(1) > NEAR**2) | (nearest < NEAR**2)
    heat = torch.exp(-nearest / (2 * SPREAD**2))
    heat_loss = F.binary_cross_entropy_with_logits(output[:, 0], heat, reduction="none")
    target = way.gather(1, index[:, None, None].expand(-1, -1, 2, -1, -1))[:, 0]
    way_loss = F.smooth_l1_loss(output[:, 1:], target, reduction="none").sum(1)
    way_loss = torch.where(nearest < NEAR**2, way_loss, 0.0)
    return ((heat_loss + 0.1 * way_loss) * judged).mean()


@torch.no_grad()
def detect(network: Detector, pictures: Tensor, threshold: float = MEASURE.threshold) -> Places:
    """Says where pictures show objects.

    Args:
        network: Trained, see `load`.
        pictures: (B, 3, S, S) in [-1, 1], S a multiple of 32; larger ones are averaged down.
        threshold: Least score of an object.

    Returns:
        Places (B, M, 2), as fractions of the picture, and a mask (B, M); M is the most found in
        any picture.

    Raises:
        ValueError: The pictures have another shape; they, or what the network says of them, are not
            finite: in those nothing would be found.
    """
    if pictures.ndim != 4 or pictures.shape[1] != 3 or pictures.shape[2] != pictures.shape[3]:
        raise ValueError(f"pictures must be (B, 3, S, S), got {tuple(pictures.shape)}")
    if pictures.shape[3] % SIZE or pictures.shape[3] == 0:
        raise ValueError(f"a picture's size must be a multiple of {SIZE}: {pictures.shape[3]}")
    check_finite(pictures, "pictures")
    output = network(F.adaptive_avg_pool2d(pictures, SIZE))
    check_finite(output, "the network's outputs")
    heat, way = output[:, 0].sigmoid(), output[:, 1:]
    peak = _peaks(output[:, 0])
    aside = way.square().sum(1).clamp(max=0.5)  # an object is at most a pixel's corner away
    found = peak & (heat >= threshold * torch.exp(-aside / (2 * SPREAD**2)))
    count = found.flatten(1).sum(1)
    order = found.flatten(1).to(torch.uint8).sort(dim=1, descending=True, stable=True).indices
    order = order[:, : int(count.max()) if len(count) else 0]
    middles = -_toward(torch.zeros(1, 1, 2, device=heat.device))[0, 0]  # (2, 32, 32)
    places = ((middles + way) / SIZE).flatten(2).transpose(1, 2)  # (B, 1024, 2)
    mask = torch.arange(order.shape[1], device=heat.device) < count[:, None]
    return places.gather(1, order[..., None].expand(-1, -1, 2)).clamp(0, 1), mask


def _peaks(logits: Tensor) -> Tensor:
    """The local maxima (B, 32, 32) of logits, one where neighbours are equal.

    By rank: the heat of sure objects is 1 to rounding, and equal logits would count twice.
    """
    order = logits.flatten(1).argsort(dim=1, stable=True)
    rank = torch.empty_like(order).scatter_(
        1, order, torch.arange(order.shape[1], device=order.device).expand_as(order)
    )
    rank = rank.view_as(logits).float()  # exact: 1024 numbers
    return rank == F.max_pool2d(rank[:, None], 3, 1, 1)[:, 0]


def load(path: str | Path = WEIGHTS) -> Detector:
    """The detector that `python -m lib.experiments detector` trained.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is damaged, or holds another network.
    """
    return checkpoint.loaded(Detector(), path)
