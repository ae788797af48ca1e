"""What is not finite is no measurement: it is refused where it would be read as one."""

from torch import Tensor


def check_finite(rows: Tensor, name: str) -> None:
    """Refuses rows (N, ...), such as pictures, of which one holds NaN or infinity.

    Raises:
        ValueError: Says how many, and the first.
    """
    if not rows.isfinite().all():
        bad = (~rows.flatten(1).isfinite().all(1)).nonzero().flatten().tolist()
        raise ValueError(f"{name} are not finite: {len(bad)} of {len(rows)}, first {bad[0]}")
