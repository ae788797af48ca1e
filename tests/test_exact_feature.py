import math

import numpy as np
import pytest
import torch

from lib.exact import GaussianMixture, feature, independent
from lib.exact.feature import (
    block_diagonalise,
    cosines,
    jacobian,
    largest_angle,
    off_block,
    push_forward_score,
    random_rotation,
    whitening,
)

SHEAR = torch.tensor([[1.0, 0.66], [0.0, 1.0]]).double()


def normal(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def bimodal():
    return GaussianMixture([0.5, 0.5], [[-2.0], [2.0]], [[[2.0]], [[2.0]]])


Z = independent([((0,), bimodal()), ((1,), bimodal())])  # CPC in z


def in_pixels(A):
    """The distribution of x = A^{-1} z, and the score of z that noise on x gives."""
    inverse = torch.linalg.inv(A)
    p = Z.push_forward(inverse)
    return p, push_forward_score(p.score, lambda z: z @ inverse.T)


@pytest.mark.parametrize("A", [SHEAR, random_rotation(2, torch.Generator().manual_seed(0))])
def test_t5_the_score_without_noise_is_that_of_z(A):
    z = normal(20, 2)
    p, score = in_pixels(A)
    assert (score(z, 0.0) - Z.score(z, 0.0)).abs().max() < 5e-15
    inverse_transposed = torch.linalg.inv(A).T
    by_hand = p.score(z @ inverse_transposed, 0.3) @ torch.linalg.inv(A)
    assert (score(z, 0.3) - by_hand).abs().max() < 2e-15


def measured(A, sigma):
    p, score = in_pixels(A)
    z = p.sample(300, torch.Generator().manual_seed(0), sigma) @ A.T
    absolute, relative = off_block(jacobian(score, z, sigma), [[0], [1]])
    return absolute.max().item(), absolute.mean().item(), relative.mean().item()


@pytest.mark.parametrize("sigma", [0.0, 0.1, 1.0, 3.0, 100.0])
def test_t5_an_orthogonal_map_keeps_the_blocks_at_every_noise(sigma):
    rotation = random_rotation(2, torch.Generator().manual_seed(0))
    assert measured(rotation, sigma)[0] < 3e-15


def test_t5_under_shear_relative_locality_gets_worse_with_noise():
    """The facts' curve within what another toy of the same kind may differ by."""
    sigmas = (0.0, 0.1, 1.0, 3.0, 100.0)
    absolute, relative = zip(*[measured(SHEAR, s)[1:] for s in sigmas], strict=True)
    assert relative == pytest.approx([0, 0.002, 0.11, 0.34, 0.47], abs=0.02)
    assert list(relative) == sorted(relative)
    a = SHEAR[0, 1].item()
    limit = math.sqrt(2) * a / math.sqrt(2 * a**2 + 1 + (1 + a**2) ** 2)
    assert relative[-1] == pytest.approx(limit, abs=1e-3)
    assert absolute[-1] < 1e-3 < absolute[2]  # the absolute one is not monotone


@pytest.mark.parametrize("whiten", [True, False])
def test_noise_in_whitened_pixels_keeps_the_blocks_of_any_map_apart(whiten):
    """Against draws: noise added to u = W x, seen in z. Scaling each pixel alone does not do it."""
    A = torch.tensor([[1.0, 0.66, 0.3], [0.0, 1.0, -0.5], [0.4, 0.0, 1.0]]).double()
    wide = GaussianMixture([0.3, 0.7], [[-3.0], [1.0]], [[[1.0]], [[0.2]]])
    z = independent([((0, 1), Z), ((2,), wide)])
    pixels = z.push_forward(torch.linalg.inv(A))
    W = whitening(pixels.cov) if whiten else torch.diag(pixels.cov.diagonal().rsqrt())
    B = A @ torch.linalg.inv(W)
    draws = 0.7 * normal(200_000, 3, seed=1) @ B.T  # the noise alone, in z
    between = (draws.T @ draws / len(draws))[:2, 2].norm() / 0.49
    assert (between < 0.05) == whiten
    u = pixels.push_forward(W)
    for sigma in (0.1, 1.0, 10.0):
        at_z = u.sample(30, torch.Generator().manual_seed(2), sigma) @ B.T
        score = push_forward_score(u.score, lambda y: y @ torch.linalg.inv(B).T)
        outside = off_block(jacobian(score, at_z, sigma), [[0, 1], [2]])[1].max()
        assert (outside < 1e-11) == whiten


def test_a_nonlinear_map_by_change_of_variables():
    """z = sinh(A x): the score against the gradient of log p_x + log |det|."""

    def inverse(z):
        return torch.asinh(z) @ torch.linalg.inv(SHEAR).T

    def log_prob(z):
        volume = torch.func.jacrev(inverse)(z)
        return Z.log_prob(inverse(z), 0.0) + torch.linalg.slogdet(volume).logabsdet

    z = normal(3, 4, 2)
    score = push_forward_score(Z.score, inverse)(z, 0.0)
    expected = torch.func.vmap(torch.func.vmap(torch.func.grad(log_prob)))(z)
    assert (score - expected).norm() < 1e-12


def test_jacobian_against_finite_differences():
    x, step = normal(2, 5, 2), 1e-6
    shifts = step * torch.eye(2, dtype=torch.float64)
    columns = [(Z.score(x + s, 0.5) - Z.score(x - s, 0.5)) / (2 * step) for s in shifts]
    found = jacobian(Z.score, x, 0.5)
    assert found.shape == (2, 5, 2, 2)
    assert (found - torch.stack(columns, -1)).norm() < 1e-7


def test_t6_cosines_see_a_shear_and_no_rotation():
    means, background = torch.tensor([[1.0, 0.0], [0.0, 2.0]]).double(), torch.zeros(2).double()
    assert torch.equal(cosines(means, background), torch.eye(2).double())
    rotation = random_rotation(2, torch.Generator().manual_seed(0))
    turned = cosines(means @ rotation.T, background)
    assert (turned - torch.eye(2)).norm() < 1e-15  # fooled: the pixels hold no CPC
    sheared = cosines(means @ torch.linalg.inv(SHEAR).T, background)
    a = SHEAR[0, 1].item()
    assert sheared[0, 1].item() == pytest.approx(-a / math.sqrt(1 + a**2), abs=1e-15)
    a = 0.61  # the shear at which the cosine is the facts' .52
    assert a / math.sqrt(1 + a**2) == pytest.approx(0.52, abs=0.005)
    still = cosines(torch.cat([means, background[None]]), background)
    assert still[2].isnan().all()


def test_off_block_on_a_matrix_by_hand():
    absolute, relative = off_block(torch.tensor([[1.0, 2, 4], [0, 2, 0], [0, 0, 2]]), [[0, 2], [1]])
    assert absolute.item() == 2
    assert relative.item() == pytest.approx(2 / 29**0.5)
    with pytest.raises(ValueError, match="once"):
        off_block(torch.eye(3), [[0, 1]])


def sources(seed):
    """Two pairs of pixels, each a mixture of its own, and their factorised joint."""
    pairs = []
    for k in range(2):
        roots = 0.6 * normal(3, 2, 2, seed=seed + k) + 0.5 * torch.eye(2)
        means = 2 * normal(3, 2, seed=seed + 20 + k)
        pairs.append(GaussianMixture(torch.full((3,), 1 / 3), means, roots @ roots.mT))
    return independent([((0, 1), pairs[0]), ((2, 3), pairs[1])])


@pytest.mark.parametrize("seed", range(3))
def test_whitening_then_score_jacobians_recover_the_map(seed):
    z, generator = sources(100 * seed), torch.Generator().manual_seed(seed)
    A = normal(4, 4, seed=seed)
    x = z.push_forward(torch.linalg.inv(A))
    W = whitening(x.cov)
    white = x.push_forward(W)
    assert (white.cov - torch.eye(4)).norm() < 1e-10
    points = white.sample(200, generator)
    blocks = block_diagonalise(jacobian(white.score, points, 0.0), 2, generator)
    # The true blocks of z, in the whitened coordinates W A^{-1} z.
    true = (W @ torch.linalg.inv(A)).split(2, dim=1)
    assert largest_angle(blocks, true) < 1e-6
    assert largest_angle(random_rotation(4, generator).split(2, dim=1), true) > 0.3


def test_blocks_of_unequal_sizes_from_noisy_covariances():
    """Conditions that move covariances only, one block each, estimated with noise."""
    generator, rotation = (
        torch.Generator().manual_seed(0),
        random_rotation(5, torch.Generator().manual_seed(1)),
    )
    covs = []
    for k in range(20):
        inner = [normal(n, n, seed=10 * k + n) for n in (3, 2)]
        cov = torch.block_diag(*[m @ m.T for m in inner]) + 1e-3 * normal(5, 5, seed=k)
        covs.append(rotation @ cov @ rotation.T)
    blocks = block_diagonalise(torch.stack(covs), 2, generator)
    assert sorted(b.shape[1] for b in blocks) == [2, 3]
    assert largest_angle(blocks, rotation.split([3, 2], dim=1)) < 0.01
    assert largest_angle(blocks, rotation.split([4, 1], dim=1)) == np.pi / 2


def test_bad_input():
    with pytest.raises(ValueError, match="singular"):
        whitening(torch.tensor([[1.0, 1.0], [1.0, 1.0]]))
    for bad in ([[1.0, 0.5], [0.0, 1.0]], [[1.0, torch.nan], [torch.nan, 1.0]], [1.0]):
        with pytest.raises(ValueError, match="symmetric"):
            whitening(bad)
    assert [x.item() for x in off_block(torch.zeros(2, 2), [[0], [1]])] == [0, 0]
    with pytest.raises(ValueError, match="n_blocks"):
        block_diagonalise(torch.eye(2)[None], 3, torch.Generator())


def test_blocks_do_not_hang_on_how_a_library_writes_eigenvectors(monkeypatch):
    """Another processor flips signs, or turns the basis of a space: the blocks are the same."""
    g = torch.Generator().manual_seed(3)
    turned = random_rotation(6, g)
    noisy = 0.05 * torch.randn(8, 6, 6, generator=g, dtype=torch.float64)
    parts = torch.randn(8, 3, 2, 2, generator=g, dtype=torch.float64)
    inside = torch.stack([torch.block_diag(*(p + p.mT)) for p in parts])
    matrices = turned @ (inside + noisy) @ turned.T
    found = block_diagonalise(matrices, 3, torch.Generator().manual_seed(4), trials=3)
    plain = feature._near_commutant

    def elsewhere(matrices, count):
        basis = plain(matrices, count)
        other = random_rotation(count, torch.Generator().manual_seed(5))
        return torch.einsum("ab,bij->aij", -other, basis)

    monkeypatch.setattr(feature, "_near_commutant", elsewhere)
    again = block_diagonalise(matrices, 3, torch.Generator().manual_seed(4), trials=3)
    assert largest_angle(found, again) < 1e-7
