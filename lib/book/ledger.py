"""The rows of the claims ledger: what is claimed, by whom, and when it counts as holding."""

from lib.book.claims import Row, above, below, within

SWING_BY = "Yang et al. 2025"
BOOK = "this book"

ROWS: list[Row] = []

ROWS += [
    Row(
        "sim.loss.trace",
        "The loss of a linear model is a trace over the data's second moment (relative difference)",
        SWING_BY,
        "01_sim_task",
        within(0.0, 1e-12),
    ),
    Row(
        "sim.a.enumeration",
        r"$A = \operatorname{diag}(\sigma_p^2 + \mu_p^2/s)$ (relative error to an enumeration)",
        SWING_BY,
        "01_sim_task",
        within(0.0, 1e-14),
    ),
    Row(
        "sim.a.rate",
        r"The second moment of $n$ points approaches $A$ as $n^{-1/2}$ (exponent)",
        BOOK,
        "01_sim_task",
        within(-0.5, 0.05),
    ),
    Row(
        "sim.a.not_covariance",
        "$A$ is not the covariance of the data (relative distance between the two)",
        BOOK,
        "01_sim_task",
        above(0.1),
    ),
]

ROWS += [
    Row(
        "linear.closed_form.ode",
        "The closed form of one layer's output (relative difference to an ODE solver)",
        SWING_BY,
        "02_linear_closed_form",
        within(0.0, 1e-6),
    ),
    Row(
        "linear.closed_form.descent",
        "Gradient descent approaches the closed form in proportion to the step (order)",
        BOOK,
        "02_linear_closed_form",
        within(1.0, 0.05),
    ),
    Row(
        "linear.order.mu",
        r"Concepts with a stronger signal are learned first (share of runs, $\mu = 1, 2, 3$)",
        SWING_BY,
        "02_linear_closed_form",
        above(0.9),
    ),
    Row(
        "linear.order.sigma",
        "Diversity reverses the order where $a_1 = a_2$ (crossing, relative to that)",
        SWING_BY,
        "02_linear_closed_form",
        within(1.0, 0.05),
    ),
    Row(
        "linear.slowing",
        r"Terminal slowing: progress ends at the slowest concept's rate (relative to $2 \min a$)",
        SWING_BY,
        "02_linear_closed_form",
        within(1.0, 0.01),
    ),
    Row(
        "linear.monotone.zero",
        "From $W(0) = 0$ the out-of-distribution error of one layer never rises (swing)",
        SWING_BY,
        "02_linear_closed_form",
        within(0.0, 0.0),
    ),
    Row(
        "linear.counterexample.start",
        "A general $W(0)$ can make it rise: its error at the start",
        BOOK,
        "02_linear_closed_form",
        within(0.025, 1e-12),
    ),
    Row(
        "linear.counterexample.maximum",
        "The same: its largest error",
        BOOK,
        "02_linear_closed_form",
        within(0.120, 5e-4),
    ),
    Row(
        "linear.turn.criterion",
        "The criterion for a rise agrees with the curve (share of random initialisations)",
        BOOK,
        "02_linear_closed_form",
        within(1.0, 0.002),
    ),
    Row(
        "linear.turn.small",
        "From a small initialisation (0.05) one layer does not swing (share of runs above 1 %)",
        BOOK,
        "02_linear_closed_form",
        below(0.03),
    ),
]
