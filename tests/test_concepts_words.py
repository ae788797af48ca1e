"""The world told in words: the language says what it should, and the reader can read it."""

import pytest
import torch

from lib.concepts import words
from lib.concepts.circles import COMPOSITIONS
from lib.diffusion import networks


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def places(count: int) -> torch.Tensor:
    return torch.tensor(list(COMPOSITIONS.values())).repeat(count, 1)


def reader(seed: int = 0) -> words.Reader:
    return networks.initialise(words.Reader(16), generator(seed))


def sentences_of(tokens: torch.Tensor) -> list[str]:
    return [" ".join(words.VOCABULARY[t] for t in row if t) for row in tokens.tolist()]


def test_a_sentence_names_its_class_and_no_other():
    asked = places(200)
    for text, (color, size) in zip(
        sentences_of(words.sentences(asked, generator())), asked.long().tolist(), strict=True
    ):
        said = set(text.split())
        for concept, value in ((words.COLORS, color), (words.SIZES, size)):
            assert len(said & set(concept[value])) == 1
            assert not said & set(concept[1 - value])
        assert len(said & set(words.NOUNS)) == 1


def test_all_words_and_orders_come_up_alike_often():
    tokens = words.sentences(places(3000), generator(1))
    texts = sentences_of(tokens)
    used = {word for text in texts for word in text.split()}
    assert used == set(words.VOCABULARY) - {words.PADDING}
    named = [sum(word in text.split() for text in texts) for word in words.COLORS[1]]
    assert max(named) < 1.15 * min(named)
    assert len({tuple((row > 0).tolist()) for row in tokens}) == 3  # three lengths
    assert torch.equal(tokens, words.sentences(places(3000), generator(1)))


def test_nothing_in_between_can_be_said():
    with pytest.raises(ValueError, match="each coordinate of a place must be 0 or 1"):
        words.sentences(torch.tensor([[0.5, 1.0]]), generator())


def test_padding_says_nothing_and_order_does():
    read, tokens = reader(), words.sentences(places(4), generator(2))
    x = torch.zeros(len(tokens), 1)
    before = read.embedding(tokens, x)
    with torch.no_grad():
        read.words.weight[:, 0] += 3
    assert torch.allclose(read.embedding(tokens, x), before, atol=1e-6)
    turned = tokens.clone()
    turned[:, :2] = tokens[:, :2].flip(1)
    assert (read.embedding(turned, x) - before).norm(dim=1).min() > 1e-3


def test_a_layer_is_attention_among_words_that_are_there_and_a_network_at_each():
    layer = networks.initialise(words.Layer(8, heads=2), generator(5)).double()
    x = torch.randn(3, 5, 8, generator=generator(6)).double()
    present = torch.arange(5) < torch.tensor([[5], [2], [3]])
    theirs = torch.nn.MultiheadAttention(8, 2, batch_first=True).double()
    theirs.in_proj_weight.data, theirs.in_proj_bias.data = layer.enter.weight, layer.enter.bias
    theirs.out_proj.load_state_dict(layer.leave.state_dict())
    normal = torch.nn.LayerNorm(8, elementwise_affine=False).double()
    h = normal(x)
    h = x + theirs(h, h, h, key_padding_mask=~present)[0]
    assert torch.linalg.norm(layer(x, present) - h - layer.alone(normal(h))) < 1e-10


def test_without_layers_a_reader_is_the_mean_of_its_words_at_their_places():
    read = networks.initialise(words.Reader(16, layers=0), generator(7)).double()
    tokens = words.sentences(places(2), generator(2))
    found = read.embedding(tokens, torch.zeros(8, 1).double())
    for row, answer in zip(tokens.tolist(), found, strict=True):
        told = [
            read.words.weight[:, token] + read.order.weight[:, place]
            for place, token in enumerate(row)
            if token
        ]
        normal = [(h - h.mean()) / (h.var(correction=0) + 1e-5).sqrt() for h in told]
        assert torch.linalg.norm(answer - read.leave(sum(normal) / len(normal))) < 1e-10


def test_the_reader_learns_what_the_words_mean():
    read, stream = reader(1), generator(3)
    head = networks.initialise(torch.nn.Linear(16, 2), stream)
    optimizer = torch.optim.Adam([*read.parameters(), *head.parameters()], 1e-2)
    for _ in range(60):
        asked = torch.randint(2, (64, 2), generator=stream).float()
        said = head(read.embedding(words.sentences(asked, stream), asked))
        torch.nn.functional.binary_cross_entropy_with_logits(said, asked).backward()
        optimizer.step()
        optimizer.zero_grad()
    asked = places(50)
    said = head(read.embedding(words.sentences(asked, stream), asked))
    assert ((said > 0) == (asked > 0.5)).float().mean() > 0.99


def test_a_denoiser_takes_the_embedding_and_no_planes():
    tokens, x = words.sentences(places(3), generator())[:3], torch.zeros(3, 3, 32, 32)
    embedding, planes = reader()(tokens, x)
    assert embedding.shape == (3, 16)
    assert torch.equal(embedding, reader().embedding(tokens, x))
    assert planes is None
    network = networks.UNet("continuous", grid=8, width=8, embedding=16)
    network.condition = reader()
    assert network(x, torch.zeros(3), tokens).shape == x.shape


def test_what_is_no_sentence_is_refused():
    with pytest.raises(ValueError, match=r"need tokens \(2, 7\), integers, not \(2, 6\)"):
        reader()(torch.zeros(2, 6, dtype=torch.long), torch.zeros(2, 1))
    with pytest.raises(ValueError, match="integers"):
        reader()(torch.zeros(2, 7), torch.zeros(2, 1))
