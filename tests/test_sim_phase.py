import pytest
import torch

from lib.sim import SIMTask, ood_loss, phase, swing, two_layer

OMEGAS = (0.1, 0.01, 1e-4)
RATIOS = (0.1, 0.25, 0.4, 0.5, 0.6, 0.75)
CRITICAL = [
    [0.18, 0.53, 0.77, 0.87, 0.93, 0.97],
    [0.12, 0.47, 0.78, 0.89, 0.94, 0.98],
    [0.09, 0.26, 0.645, 0.83, 0.93, 0.98],
]
CANONICAL = SIMTask((2, 1), (0.05, 0.05))


def flat(points):
    return [number for point in points for number in point]


def test_canonical_demonstration():
    w0 = two_layer.correlated_start(0.01, 0.9)
    assert ood_loss(w0, CANONICAL).item() == pytest.approx(2.4148, abs=5e-5)
    assert flat(phase.turning_points(w0, CANONICAL, 12)) == pytest.approx(
        [1.724, 0.31766, 3.308, 0.39485], abs=5e-4, rel=2e-5
    )
    t = torch.linspace(0, 12, 1201, dtype=torch.float64)
    E = ood_loss(two_layer.flow(w0, CANONICAL.a, t), CANONICAL)
    assert t[(E > 0.01).sum()].item() == pytest.approx(7.98, abs=0.011)


def test_canonical_demonstration_from_a_larger_start():
    points = phase.turning_points(two_layer.correlated_start(0.05, 0.9), CANONICAL, 12)
    assert flat(points) == pytest.approx([1.267, 0.17983, 2.637, 0.28092], abs=5e-4)
    assert [E for _, E in points] == pytest.approx([0.17983, 0.28092], abs=5e-6)


def test_two_swings():
    task = SIMTask((4, 2, 1), (0.05,) * 3)
    points = phase.turning_points(two_layer.correlated_start(0.01, 0.9, 3), task, 12)
    assert [t for t, _ in points] == pytest.approx([0.63, 1.28, 3.50, 4.38], abs=5e-3)
    assert [E for _, E in points] == pytest.approx([1.5308, 1.9969, 0.4358, 0.4402], abs=5e-5)


def test_turning_points_agree_with_the_curve():
    w0 = two_layer.correlated_start(0.01, 0.9)
    t = torch.linspace(0, 12, 12_001, dtype=torch.float64)
    E = ood_loss(two_layer.flow(w0, CANONICAL.a, t), CANONICAL)
    (_, low), (_, high) = phase.turning_points(w0, CANONICAL, 12)
    assert swing(E).item() == pytest.approx((high - low) / E[0].item(), rel=1e-5)
    assert phase.turning_points(two_layer.correlated_start(0.01, 0.0), CANONICAL, 60) == []


@pytest.mark.parametrize("end", [1e3, 2e4, 1e6])
def test_no_turn_is_lost_in_a_long_flow(end):
    w0 = two_layer.correlated_start(0.01, 0.9)
    found = phase.turning_points(w0, CANONICAL, end)
    assert flat(found) == pytest.approx(flat(phase.turning_points(w0, CANONICAL, 12)), rel=1e-6)
    slow = SIMTask((2, 0.02), (0, 0))  # the second concept takes 10,000 times as long
    assert len(phase.turning_points(w0, slow, 1e6)) == 2
    u0 = torch.tensor([0.1, 0.1], dtype=torch.float64)
    assert len(phase.turning_points(torch.outer(u0, u0), CANONICAL, end)) == 1


def test_rank_one_turns_once():
    u0 = torch.tensor([0.1, 0.1], dtype=torch.float64)
    ((_, low),) = phase.turning_points(torch.outer(u0, u0), CANONICAL, 40)
    assert low < 0.5


def test_slice_of_the_phase_diagram():
    found = phase.critical_correlation(0.01, RATIOS)
    assert found.tolist() == pytest.approx(CRITICAL[1], abs=6e-3)


@pytest.mark.weekly
def test_phase_diagram():
    found = phase.critical_correlation(torch.tensor(OMEGAS).unsqueeze(-1), RATIOS)
    assert (found - torch.tensor(CRITICAL)).abs().max() < 6e-3


def test_size_of_the_swing_falls_with_the_scale():
    omega = [0.1, 0.01, 1e-4, 1e-6, 1e-8, 1e-10]
    expected = {
        (0.25, 0.3): [0, 0, 2.5e-4, 1.9e-4, 4.6e-5, 8.5e-6],
        (0.25, 0.9): [0.061, 0.032, 0.0075, 0.0013, 2.2e-4, 3.4e-5],
        (0.5, 0.9): [0.0039, 0.0013, 0.0033, 0.0025, 0.0012, 5.1e-4],
    }
    for (r, c), sizes in expected.items():
        found = phase.swing_sizes(omega, r, c, points=2000).tolist()
        assert found == pytest.approx(sizes, rel=0.04, abs=1e-9)


def test_law_of_the_size():
    omega = torch.tensor([1e-16, 1e-14], dtype=torch.float64)
    for r, c, within in ((0.1, 0.3, 2e-3), (0.1, 0.9, 2e-3), (0.25, 0.9, 0.025)):
        sizes, law = phase.swing_sizes(omega, r, c, points=6000), phase.swing_law(omega, r, c)
        assert (sizes / law).tolist() == pytest.approx([1, 1], abs=within)
        exponent = (law.log().diff() / omega.log().diff()).item()
        assert exponent == pytest.approx(4 * (1 - r) / (7 + r), rel=1e-9)
    assert phase.swing_law(1e-6, 0.5, 0.0).item() == 0
    with pytest.raises(ValueError, match="c must lie"):
        phase.swing_law(0.1, 0.5, -0.1)


def test_where_the_laws_hold():
    """At 1e-12: nearly there at r = 1/4, half way at 1/2, no swing at .8; none at r = 1, no law."""
    r = torch.tensor([0.25, 0.5, 0.8], dtype=torch.float64)
    share = phase.swing_sizes(1e-12, r, 0.9, points=3000) / phase.swing_law(1e-12, r, 0.9)
    assert share.tolist() == pytest.approx([0.963, 0.439, 0], abs=1e-3)
    r, c = torch.tensor([[0.1], [0.5], [0.7]]).double(), [0.01, 0.5, 1.0]
    omega = 0.06 ** (2 / (1 - r))
    peak = phase.flows(omega, r, c, 6000)[..., 0, 1].amax(-1)
    assert (peak / two_layer.minor_peak(omega, r, c) - 1).abs().max() < 0.0201
    late = phase.flows(1e-12, 0.9, 0.9, 6000)[:, 0, 1].max()
    assert late < 0.9 * two_layer.minor_peak(1e-12, 0.9, 0.9)
    assert phase.swing_sizes(1e-12, 1.0, 0.9) == 0
    for law in (phase.swing_law, two_layer.minor_peak):
        with pytest.raises(ValueError, match="r must be below 1"):
            law(1e-4, [0.5, 1.0], 0.9)
        with pytest.raises(ValueError, match=r"r must lie in \[0, 1\]"):
            law(1e-4, [-0.5, 0.5], 0.9)


def test_negative_correlation_does_not_swing():
    r = torch.tensor(RATIOS).unsqueeze(-1)
    assert phase.swing_sizes(0.01, r, [-0.9, -0.5, -0.1, 0]).max() < 1e-9


def shares(width, runs):
    generator = torch.Generator().manual_seed(0)
    u = two_layer.gaussian_factor(runs, 2, width, 0.01, generator)
    t = torch.linspace(0, 14, 281, dtype=torch.float64)
    sizes = swing(ood_loss(two_layer.flow(u @ u.mT, CANONICAL.a, t), CANONICAL))
    return [(sizes > threshold).double().mean().item() for threshold in (0.01, 1e-4)]


def test_share_of_swings_at_width_two():
    assert shares(2, 1000) == pytest.approx([0.24, 0.40], abs=0.045)  # 3 standard errors


@pytest.mark.weekly
@pytest.mark.parametrize(
    ("width", "expected"), [(2, (0.245, 0.40)), (4, (0.08, 0.21)), (16, (0.003, 0.04)), (64, (0,))]
)
def test_share_of_swings_falls_with_width(width, expected):
    found = shares(width, 4000)
    assert found[: len(expected)] == pytest.approx(expected, abs=0.02)


def test_bad_input():
    with pytest.raises(ValueError, match="must be positive"):
        phase.swing_sizes(0.0, 0.5, 0.5)
    with pytest.raises(ValueError, match="r must lie"):
        phase.flows(0.1, 2.0, 0.5)
    with pytest.raises(ValueError, match="positive semi-definite"):
        phase.turning_points(-torch.eye(2), CANONICAL, 1.0)
