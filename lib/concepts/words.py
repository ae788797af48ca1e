"""The colour-size world told in words: a small language with synonyms and free order, and a reader.

A sentence names colour and size of a disc by one of several words each, in one of several orders,
and says nothing about how far this disc is off its class. Tokens are rows of `VOCABULARY`; shorter
sentences are filled up with the first one, which is no word.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

PADDING = "."
COLORS = (("red", "crimson", "scarlet"), ("blue", "azure", "navy"))
SIZES = (("big", "large", "huge"), ("small", "little", "tiny"))
NOUNS = ("disc", "circle", "dot")
FRAMES = (
    ("a", "SIZE", "COLOR", "NOUN"),
    ("a", "COLOR", "SIZE", "NOUN"),
    ("a", "NOUN", "that", "is", "COLOR", "and", "SIZE"),
    ("a", "NOUN", "that", "is", "SIZE", "and", "COLOR"),
    ("COLOR", "NOUN", "SIZE"),
    ("SIZE", "NOUN", "COLOR"),
)
VOCABULARY = (
    PADDING,
    *("a", "that", "is", "and"),
    *NOUNS,
    *(word for concept in (COLORS, SIZES) for value in concept for word in value),
)
LENGTH = max(map(len, FRAMES))


def sentences(places: Tensor, generator: torch.Generator) -> Tensor:
    """Tokens (B, `LENGTH`) of random sentences about classes at places (B, 2), 0 or 1 each.

    Drawn on the generator's device.

    Raises:
        ValueError: A place is none of a class: words name nothing in between.
    """
    if not torch.isin(places, places.new_tensor([0.0, 1.0])).all():
        raise ValueError("words name classes: each coordinate of a place must be 0 or 1")
    device, count = generator.device, len(places)
    color, size = (tokens_of(values).to(device) for values in (COLORS, SIZES))
    nouns = tokens_of((NOUNS,)).to(device)

    def draw(options: int) -> Tensor:
        return torch.randint(options, (count,), generator=generator, device=device)

    value = places.long().to(device)
    chosen = {
        "COLOR": color[value[:, 0], draw(color.shape[1])],
        "SIZE": size[value[:, 1], draw(size.shape[1])],
        "NOUN": nouns[0, draw(nouns.shape[1])],
    }
    frames = torch.stack([_filled(frame, chosen, count, device) for frame in FRAMES], 1)
    return frames[torch.arange(count, device=device), draw(len(FRAMES))]


def tokens_of(values) -> Tensor:
    """The tokens (V, W) of W words for each of V values."""
    return torch.tensor([[VOCABULARY.index(word) for word in words] for words in values])


def _filled(frame: tuple[str, ...], chosen: dict[str, Tensor], count: int, device) -> Tensor:
    """Tokens (count, LENGTH) of one frame with the chosen words."""
    words = [*frame, *[PADDING] * (LENGTH - len(frame))]
    columns = [
        chosen[w] if w in chosen else torch.full((count,), VOCABULARY.index(w), device=device)
        for w in words
    ]
    return torch.stack(columns, 1)


class Layer(nn.Module):
    """Attention among the words of a sentence, then a small network at each."""

    def __init__(self, width: int, heads: int = 4):
        """A layer of `width` channels, split among `heads`."""
        super().__init__()
        self.heads = heads
        self.enter, self.leave = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.alone = nn.Sequential(
            nn.Linear(width, 2 * width), nn.SiLU(), nn.Linear(2 * width, width)
        )

    def forward(self, x: Tensor, present: Tensor) -> Tensor:
        """(B, L, width) and which words there are (B, L) -> (B, L, width)."""
        h = functional.layer_norm(x, x.shape[-1:])
        q, k, v = (
            t.unflatten(2, (self.heads, -1)).transpose(1, 2) for t in self.enter(h).chunk(3, 2)
        )
        mixed = functional.scaled_dot_product_attention(q, k, v, present[:, None, None])
        x = x + self.leave(mixed.transpose(1, 2).flatten(2))
        return x + self.alone(functional.layer_norm(x, x.shape[-1:]))


class Reader(nn.Module):
    """A sentence as one embedding: a pathway for a denoiser, trained along with it."""

    def __init__(self, embedding: int, width: int = 32, layers: int = 2):
        """An embedding (B, embedding) by `layers` layers of `width` channels."""
        super().__init__()
        self.words = nn.Linear(len(VOCABULARY), width, bias=False)
        self.order = nn.Linear(LENGTH, width, bias=False)
        self.layers = nn.ModuleList(Layer(width) for _ in range(layers))
        self.leave = nn.Linear(width, embedding)

    def forward(self, tokens: Tensor, x: Tensor) -> tuple[Tensor, None]:
        """What a denoiser takes of a pathway: the embedding, and no planes; see `embedding`."""
        return self.embedding(tokens, x), None

    def embedding(self, tokens: Tensor, x: Tensor) -> Tensor:
        """The embedding (B, E) of tokens (B, `LENGTH`) beside a batch x.

        Raises:
            ValueError: They are no tokens of as many sentences.
        """
        if tokens.shape != (len(x), LENGTH) or tokens.is_floating_point():
            raise ValueError(
                f"need tokens ({len(x)}, {LENGTH}), integers, not {tuple(tokens.shape)} of "
                f"{tokens.dtype}"
            )
        hot = functional.one_hot(tokens, len(VOCABULARY)).to(x)
        present = tokens > 0
        h = self.words(hot) + self.order.weight.mT
        for layer in self.layers:
            h = layer(h, present)
        h = functional.layer_norm(h, h.shape[-1:]) * present[..., None]
        return self.leave(h.sum(1) / present.sum(1, keepdim=True))
