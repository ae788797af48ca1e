"""Scores in a feature space z = A(x): push-forward, orthogonality, and learning the map."""

import itertools

import numpy as np
import scipy.linalg
import torch
from torch.func import grad, jacrev, vjp, vmap


def push_forward_score(score, inverse):
    r"""The score of z = A(x), given the score of x, :eq:`eq-push-forward-score`.

    $s_z(z) = J^T s_x(A^{-1} z) + \nabla_z \log|\det J|$ with J the Jacobian of $A^{-1}$ at z. The
    noise stays noise on x: at `sigma` it is the score of $A(x + \sigma n)$.

    Args:
        score: `f(x, sigma, conditions)`, (..., d) -> (..., d).
        inverse: the map $A^{-1}$, (..., d) -> (..., d), differentiable, pointwise in the leading
            dimensions.

    Returns:
        A score `f(z, sigma, conditions=None)`.
    """

    def volume(z):
        return torch.linalg.slogdet(jacrev(inverse)(z)).logabsdet

    def pulled(z, s):
        return vjp(inverse, z)[1](s)[0] + grad(volume)(z)

    def pushed(z, sigma, conditions=None):
        s = score(inverse(z), sigma, conditions)
        return vmap(pulled)(z.reshape(-1, z.shape[-1]), s.reshape(-1, z.shape[-1])).view(z.shape)

    return pushed


def jacobian(score, x, sigma, conditions=None):
    """The Jacobians of a score at the points `x` (..., d), (..., d, d)."""
    rows = vmap(jacrev(lambda point: score(point, sigma, conditions)))(x.reshape(-1, x.shape[-1]))
    return rows.view(*x.shape, x.shape[-1])


def off_block(jacobians, blocks):
    """What a matrix has outside its diagonal blocks: (absolute, relative), each (...,).

    Absolute is the Frobenius norm of the entries outside the blocks, relative the same over the
    norm of the whole matrix; 0 for a matrix that is zero throughout.

    Args:
        jacobians: (..., d, d).
        blocks: lists of coordinates, disjoint, together 0..d-1.

    Raises:
        ValueError: other blocks, or jacobians that are not finite.
    """
    if not jacobians.isfinite().all():
        bad = (~jacobians.isfinite()).sum().item()
        raise ValueError(f"the jacobians are not finite: {bad} of {jacobians.numel()} entries")
    label = torch.empty(jacobians.shape[-1], dtype=torch.long)
    if sorted(itertools.chain(*blocks)) != list(range(len(label))):
        raise ValueError(f"blocks must hold each of 0..{len(label) - 1} once, got {blocks}")
    for i, block in enumerate(blocks):
        label[list(block)] = i
    outside = (jacobians * (label[:, None] != label)).norm(dim=(-2, -1))
    whole = jacobians.norm(dim=(-2, -1))
    return outside, torch.where(whole > 0, outside / whole, 0)


def cosines(means, background):
    r"""The table $\cos(d_i, d_j)$, $d_i = \mu_i - \mu_b$, (J, J), :eq:`eq-orthogonality`.

    Zero off the diagonal is necessary for CPC and not sufficient; no rotation changes it.

    Args:
        means: (J, d), the mean under each condition.
        background: (d,), the mean under none.

    Returns:
        (J, J); nan where a condition leaves the mean where it is, for it then has no direction.
    """
    difference = means - background
    unit = difference / difference.norm(dim=1, keepdim=True)
    return unit @ unit.T


def whitening(cov):
    """The symmetric W with W cov W = I, (d, d): the linear part of a map, up to rotation.

    Raises:
        ValueError: a matrix that is not symmetric and finite, or singular.
    """
    cov = torch.as_tensor(cov, dtype=torch.float64)
    symmetric = cov.ndim == 2 and cov.shape[0] == cov.shape[1] and cov.isfinite().all()
    if not symmetric or (cov - cov.mT).abs().max() > 1e-9 * cov.abs().max():
        raise ValueError("a covariance is symmetric (d, d), and finite")
    values, axes = torch.linalg.eigh(cov)
    if values[0] <= len(values) * torch.finfo(torch.float64).eps * values[-1]:
        raise ValueError("the covariance is singular: it cannot be whitened")
    return axes @ torch.diag(values**-0.5) @ axes.T


def random_rotation(d, generator):
    """An orthogonal matrix (d, d) from the uniform (Haar) distribution."""
    q, r = torch.linalg.qr(torch.randn(d, d, generator=generator, dtype=torch.float64))
    return q * r.diagonal().sign()


def block_diagonalise(matrices, n_blocks, generator, trials=32):
    """The subspaces that best make symmetric matrices block-diagonal together.

    The symmetric matrices that commute with all of them are spanned by the projections on the
    blocks; a random one among the `n_blocks` that commute best is diagonalised, and its
    eigenvectors are cut into blocks at the widest gaps between eigenvalues. The trial with the
    least outside the blocks wins (after Murota et al. 2010 and Maehara and Murota 2011).

    Args:
        matrices: (N, d, d): score Jacobians in whitened coordinates, or conditional covariances.
        n_blocks: the number of blocks, whose sizes are found.
        generator: for the trials.
        trials: random members of the commutant that are tried.

    Returns:
        One orthonormal basis a block, a list of (d, m).
    """
    matrices = (matrices + matrices.mT) / 2
    d = matrices.shape[-1]
    if not 1 <= n_blocks <= d:
        raise ValueError(f"n_blocks must be in 1..{d}, got {n_blocks}")
    commutant = _near_commutant(matrices, n_blocks)
    best, least = None, torch.inf
    for _ in range(trials):
        # A random matrix projected: weights of the basis itself would make the outcome hang on
        # signs of eigenvectors, which every processor's library chooses for itself.
        probe = torch.randn(d, d, generator=generator, dtype=torch.float64)
        mix = (commutant * probe).sum((1, 2))
        values, vectors = torch.linalg.eigh(torch.einsum("b,bij->ij", mix, commutant))
        cuts = values.diff().topk(n_blocks - 1).indices.sort().values + 1
        blocks = torch.arange(d).tensor_split(cuts)
        outside, _ = off_block(vectors.T @ matrices @ vectors, [b.tolist() for b in blocks])
        if outside.square().sum() < least:
            best, least = [vectors[:, b] for b in blocks], outside.square().sum()
    return best


def largest_angle(learned, true):
    """The largest principal angle in radians between blocks, matched in the best order.

    Args:
        learned: bases (d, m), as `block_diagonalise` gives.
        true: as many bases, in any order, not necessarily orthonormal.

    Returns:
        A float; pi/2 if the sizes do not match in any order.
    """

    def angle(u, v):
        if u.shape != v.shape:
            return np.pi / 2
        return scipy.linalg.subspace_angles(np.asarray(u), np.asarray(v)).max()

    table = [[angle(u, v) for v in true] for u in learned]
    orders = itertools.permutations(range(len(true)))
    return float(min(max(row[k] for row, k in zip(table, o, strict=True)) for o in orders))


def _near_commutant(matrices, count):
    """The `count` orthonormal symmetric X with the least sum of ||M X - X M||^2, (count, d, d)."""
    d = matrices.shape[-1]
    eye, square = torch.eye(d, dtype=matrices.dtype), (matrices @ matrices).sum(0)
    crossed = torch.einsum("nij,nkl->ikjl", matrices, matrices).reshape(d * d, d * d)
    gram = torch.kron(square, eye) + torch.kron(eye, square) - 2 * crossed
    i, j = torch.triu_indices(d, d)
    symmetric = torch.zeros(len(i), d, d, dtype=matrices.dtype)
    symmetric[range(len(i)), i, j] = symmetric[range(len(i)), j, i] = 1
    symmetric = (symmetric / symmetric.norm(dim=(1, 2), keepdim=True)).flatten(1)
    _, vectors = torch.linalg.eigh(symmetric @ gram @ symmetric.T)
    return (vectors[:, :count].T @ symmetric).view(count, d, d)
