"""Speed of training an ensemble at once, beside one torch run after another.

    python benchmarks/sim_ensembles.py

Both train the same two-layer networks from the same start on the same batches, by plain SGD, and
end with the same losses; the torch runs are torch.nn layers and torch.optim.SGD, timed over a few
runs and multiplied up. Both evaluate the held-out loss every 20 steps. Drawing the data, which
both need, is timed apart and counted for neither.
"""

import sys
import time
from pathlib import Path

import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[1]))
from lib.sim import mlp

EVERY = 20


def setting(d, hidden, activation="relu"):
    return mlp.Setting.preset(
        "official", (1, 2), (0.05, 0.05), d=d, hidden=hidden, activation=activation,
        n=2560, batch=128, epochs=2, rate=0.05,
    )  # fmt: skip


def one_after_another(setting, runs):
    """Final held-out losses of torch runs."""
    losses = []
    for run in runs:
        first, second = (nn.Linear(w.shape[1], w.shape[0], bias=setting.bias) for w in run.weights)
        for layer, w, b in zip((first, second), run.weights, run.biases, strict=True):
            layer.weight.data.copy_(w)
            layer.bias.data.copy_(b[:, 0])
        between = [nn.ReLU()] if setting.activation == "relu" else []
        network = nn.Sequential(first, *between, second)
        optimizer = torch.optim.SGD(network.parameters(), lr=setting.rate)
        points = (run.basis @ run.points).T.float().contiguous()
        x_hat = (run.basis @ torch.tensor(setting.mu).double()).float()
        step = 0
        for _ in range(setting.epochs):
            for x in points.split(setting.batch):
                if step % EVERY == 0:
                    with torch.no_grad():
                        nn.functional.mse_loss(network(x_hat), x_hat)
                optimizer.zero_grad()
                nn.functional.mse_loss(network(x), x).backward()
                optimizer.step()
                step += 1
        with torch.no_grad():
            losses.append(((network(x_hat) - x_hat) ** 2).sum() / 2)
    return torch.stack(losses).double()


def seconds(function, *args):
    """Wall time of a call, and what the call returned."""
    start = time.perf_counter()
    result = function(*args)
    return time.perf_counter() - start, result


def at_once(setting, count):
    """Shortest of three times to train an ensemble, without drawing it, and its final losses."""
    best = float("inf")
    for _ in range(3):
        progress = mlp.train([setting], range(count), EVERY)
        next(progress)  # draws the runs
        took, (*_, last) = seconds(list, progress)
        best = min(best, took)
    return best, last.ood_loss[0]


def main():
    print(f"{'d':>3}{'h':>4}{'runs':>6}{'runs/s at once':>16}{'one by one':>12}{'times':>8}  same")
    ratios = {}
    for d, hidden, count in ((2, 2, 512), (2, 64, 128), (64, 64, 64)):
        for activation in mlp.ACTIVATIONS:
            case = setting(d, hidden, activation)
            ours, losses = at_once(case, count)
            runs = [mlp.draw(case, seed) for seed in range(4)]
            theirs, expected = min(seconds(one_after_another, case, runs) for _ in range(3))
            ratio = (count / ours) / (4 / theirs)
            ratios[f"d{d}_h{hidden}_{activation}"] = ratio
            same = "yes" if (losses[:4] - expected).abs().max() < 1e-4 else "NO"
            print(
                f"{d:3}{hidden:4}{count:6}{count / ours:16.1f}{4 / theirs:12.1f}{ratio:8.1f}"
                f"  {same}  {activation}",
                flush=True,
            )

    print("\nruns/s, ReLU, by the number of runs")
    print(f"{'runs':>6}{'(2, 2)':>12}{'(2, 64)':>12}{'(64, 64)':>12}")
    for count in (1, 4, 16, 64, 256):
        speeds = [
            count / at_once(setting(d, hidden), count)[0]
            for d, hidden in ((2, 2), (2, 64), (64, 64))
            if d * count < 64 * 256
        ]
        print(f"{count:6}" + "".join(f"{speed:12.1f}" for speed in speeds), flush=True)
    print()
    for name, value in ratios.items():
        print(f"ratio: {name} {value:.1f}")


if __name__ == "__main__":
    main()
