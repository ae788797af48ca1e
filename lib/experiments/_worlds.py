"""Data sets as experiments see them: a world is four callables, and a new one a line of `WORLDS`.

Places are (x, y) in [0, 1] from the picture's upper left corner in all of them.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lib.exact import discs
from lib.scenes import annotate as visibility
from lib.scenes import clevr, detector, labelling, render, sample_scenes
from lib.scenes.measure import MEASURE, Places
from lib.scenes.scene import MATERIALS, SIZES, Scenes, concatenated

Find = Callable[[Tensor], Places]  # of pictures, see `World`


@dataclass(frozen=True)
class World:
    """What an experiment asks of a data set.

    A world whose networks are told more than places, such as colours, is the same with another
    `ask`: whatever is said of each object besides, (B, K, ...), stands behind the mask and goes
    with its object wherever one is chosen. `replace(CLEVR, ask=...)` is all that it takes.

    Attributes:
        sample: `sample(batch, least, most, generator, clear=False)` draws what pictures are made
            of, with `least` to `most` objects each: anything that has a length and can be sliced.
            With `clear` no object is hidden: such scenes say what a test asks for.
        render: `render(scenes, size)` gives their pictures (B, 3, size, size) in [-1, 1].
        ask: `ask(scenes)` gives what a network may be told: locations (B, K, 2), a mask (B, K).
        find: `find(pictures)` gives places of objects (B, M, 2) and a mask (B, M).
    """

    sample: Callable[..., Any]
    render: Callable[[Any, int], Tensor]
    ask: Callable[[Any], tuple[Tensor, ...]]
    find: Find


def _clevr(sample: Callable[..., Any], alter: Callable | None = None, **other: Callable) -> World:
    """A world of CLEVR's, with training data of its own: tests ask all networks for like places.

    Args:
        sample: What training scenes are drawn by.
        alter: What is done to scenes of either kind, as to make their objects one colour.
        other: Other callables of the world.
    """

    def either(batch, least, most, generator, clear=False):
        if clear:
            scenes = labelling.request_scenes(batch, most, generator)
        else:
            scenes = sample(batch, least, most, generator)
        return alter(scenes) if alter else scenes

    usual = {"render": render, "ask": labelling.label_all, "find": _find}
    return World(either, **usual | other)


def _find(pictures: Tensor) -> Places:
    return detector.detect(detector.load(), pictures)


def _share_colour(scenes: Scenes) -> Scenes:
    return replace(scenes, color=scenes.color[:, :1].expand_as(scenes.color))


def _three(batch, least, most, generator) -> Scenes:
    return sample_scenes(batch, 3, most, generator)


CLEVR = _clevr(sample_scenes)


def _large(batch, least, most, generator, clear=False) -> Scenes:
    """Scenes of large rubber objects; `clear`: none of them heavily hidden."""
    found, missing = [], batch
    while missing > 0:
        scenes = sample_scenes(4 * missing + 8, least, most, generator)
        large = scenes.size == list(SIZES).index("large")
        good = (large | ~scenes.mask).all(1)
        if clear:
            seen = visibility(scenes).visibility >= MEASURE.visible
            good &= (seen | ~scenes.mask).all(1)
        found.append(scenes[good][:missing])
        missing -= len(found[-1])
    scenes = concatenated(found)
    rubber = torch.full_like(scenes.material, list(MATERIALS).index("rubber"))
    return replace(scenes, material=rubber)


def _find_enlarged(pictures: Tensor) -> Places:
    """What the detector finds; smaller pictures are enlarged to the size that it takes."""
    if pictures.shape[-1] < detector.SIZE:
        size = (detector.SIZE, detector.SIZE)
        pictures = torch.nn.functional.interpolate(pictures, size, mode="bilinear")
    return _find(pictures)


# Objects that are told apart in pictures of 16 pixels too.
LARGE = World(_large, render, labelling.label_all, _find_enlarged)


@dataclass(frozen=True)
class _Batch:
    """Tensors or scenes of one batch, sliced together."""

    def __len__(self) -> int:
        return len(next(iter(vars(self).values())))

    def __getitem__(self, index):
        return type(self)(**{name: part[index] for name, part in vars(self).items()})

    def to(self, device):
        """The same on another device."""
        return type(self)(**{name: part.to(device) for name, part in vars(self).items()})


@dataclass(frozen=True)
class Album(_Batch):
    """Scenes of files, with their pictures (B, 3, S, S)."""

    scenes: Scenes
    pictures: Tensor


def official(folder: str | Path, size: int = 32) -> World:
    """The pictures of a CLEVR folder as training data; tests ask as in `CLEVR`.

    They are read when the first is drawn. Official scenes hold 3 to 10 objects; one whose centre
    lies outside the central square is in no request.

    Args:
        folder: As `lib.scenes.clevr.load_scenes` takes it, or one of its JSON files.
        size: Of the pictures.

    Raises:
        ValueError, FileNotFoundError: From `sample`: as `load_scenes`, or no scene holds so many
            objects. From `render`: another size.
    """

    @cache
    def album() -> Album:
        if not folder:
            raise ValueError("official pictures are read from files: name their folder")
        return Album(*clevr.load_scenes(folder, size=size))

    def sample(batch, least, most, generator) -> Album:
        count = album().scenes.mask.sum(1)
        fitting = ((count >= least) & (count <= most)).nonzero()[:, 0]
        if not len(fitting):
            held = f"{int(count.min())} to {int(count.max())}"
            raise ValueError(
                f"no scene in {folder} has {least} to {most} objects: they have {held}"
            )
        kwargs = {"generator": generator, "device": generator.device}
        chosen = torch.randint(len(fitting), (batch,), **kwargs).cpu()
        return album()[fitting[chosen]].to(generator.device)

    def picture(scenes: Album | Scenes, size_: int) -> Tensor:
        if isinstance(scenes, Scenes):
            return render(scenes, size_)
        if size_ != size:
            raise ValueError(f"the pictures were read in size {size}, not {size_}")
        return scenes.pictures

    def ask(scenes: Album | Scenes) -> labelling.Conditions:
        return labelling.label_all(scenes.scenes if isinstance(scenes, Album) else scenes)

    return _clevr(sample, render=picture, ask=ask)


@dataclass(frozen=True)
class Discs(_Batch):
    """Discs of colours (B, K, 3) at places (B, K, 2), where the mask (B, K) says so."""

    places: Tensor
    mask: Tensor
    colours: Tensor


def _discs(batch, least, most, generator, clear=False) -> Discs:
    """Drawn on the CPU; never one on another, so that all are clear."""
    seed = torch.randint(2**62, (), generator=generator, device=generator.device)
    stream = torch.Generator().manual_seed(int(seed))
    places, mask = discs.sample_places(batch, range(least, most + 1), stream)
    return Discs(places, mask, discs.sample_colours(mask.shape, stream)).to(generator.device)


def _find_discs(pictures: Tensor) -> Places:
    found = discs.find(pictures)
    count = torch.tensor([len(places) for places in found])
    mask = torch.arange(int(count.max())) < count[:, None]
    places = torch.zeros(*mask.shape, 2)
    places[mask] = torch.cat(found).float()
    return places, mask


# A picture takes less than a millisecond: for tests, and to try something new.
DISCS = World(
    _discs,
    lambda scenes, size: discs.paint(scenes.places, scenes.mask, scenes.colours, size),
    lambda scenes: (scenes.places, scenes.mask),
    _find_discs,
)

# By name, out of a folder of files and the pictures' size.
WORLDS: dict[str, Callable[[str, int], World]] = {
    "plain": lambda files, size: CLEVR,
    "one_colour": lambda files, size: _clevr(sample_scenes, _share_colour),
    "three": lambda files, size: _clevr(_three),
    "large": lambda files, size: LARGE,
    "official": official,
    "discs": lambda files, size: DISCS,
}
