"""Training and sampling beside the libraries that one would take instead.

First the same network object, batch, precision and number of network calls in each library's own
training loop and sampler. Then each library's own default network at equal parameter count: the
time to the same validation loss on the same scenes. Last, local windows in one pass beside cell by
cell. Times are of the processor on a CPU and of the clock on a GPU.

    python -m benchmarks.diffusion [--steps 5] [--seconds 60] [--batch 64]

needs smalldiffusion, denoising-diffusion-pytorch and diffusers (`make bench` brings them); what is
not installed is skipped, and so is what fails to be imported.
"""

import argparse
import contextlib
import copy
import functools
import importlib
import importlib.util
import io
import itertools
import math
import re
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from lib.diffusion import edm, networks, patch, train
from lib.scenes import render, sample_scenes

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
SIZE, SIGMA_DATA, RATE, CALLS = 32, 0.2, 1e-3, 35
ROUNDS = 9  # of training and sampling, in turn
SIGMAS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)


class Ours:
    """`lib.diffusion`."""

    needs = "torch"

    def __init__(self, network: nn.Module, pictures: Tensor, batch: int):
        self.pictures, self.batch = pictures, batch
        denoiser = edm.Preconditioned(network.to(DEVICE), SIGMA_DATA)
        settings = train.Settings(10**9, learning_rate=RATE, precision="float32", warmup=1)
        self.training = train.Training(denoiser, self.draw, settings)
        self.run = self.training.run()

    @staticmethod
    def default() -> nn.Module:
        return networks.UNet(size=SIZE)

    def draw(self, generator: torch.Generator) -> tuple[Tensor, None]:
        index = torch.randint(len(self.pictures), (self.batch,), generator=generator, device=DEVICE)
        return self.pictures[index], None

    def train(self, steps: int) -> None:
        list(itertools.islice(self.run, steps))

    def denoise(self, x: Tensor, sigma: float) -> Tensor:
        return self.training.denoiser(x, sigma)

    def sample(self, n: int) -> Tensor:
        noise = torch.randn(n, 3, SIZE, SIZE, device=DEVICE)
        return edm.sample(self.training.denoiser, noise, steps=(CALLS + 1) // 2)


class Smalldiffusion:
    """Its `training_loop` and `samples`, with its log-linear schedule and scaled input."""

    needs = "smalldiffusion"

    def __init__(self, network: nn.Module, pictures: Tensor, batch: int):
        import smalldiffusion as library

        class Adapter(nn.Module, library.ModelMixin):
            input_dims = (3, SIZE, SIZE)

            def __init__(self):
                super().__init__()
                self.network = network

            def forward(self, x, sigma, cond=None):
                noise = sigma.reshape(-1).expand(len(x)).log() / 4
                return self.network(x * library.model.alpha(sigma).sqrt(), noise, None)

        ours = isinstance(network, networks.UNet)
        self.model = (Adapter() if ours else network).to(DEVICE)
        self.schedule = library.ScheduleLogLinear(1000, sigma_min=0.01, sigma_max=20)
        loader = DataLoader(pictures.cpu(), batch, shuffle=True, drop_last=True)
        self.run = library.training_loop(loader, self.model, self.schedule, lr=RATE)
        self.samples = library.samples

    @staticmethod
    def default() -> nn.Module:
        import smalldiffusion as library

        return library.Scaled(library.Unet)(SIZE, 3, 3, ch=32, ch_mult=(1, 2))

    def train(self, steps: int) -> None:
        list(itertools.islice(self.run, steps))

    def denoise(self, x: Tensor, sigma: float) -> Tensor:
        return x - sigma * self.model.predict_eps(x, torch.tensor(sigma, device=DEVICE))

    def sample(self, n: int) -> Tensor:
        sigmas = self.schedule.sample_sigmas(CALLS)
        *_, last = self.samples(self.model, sigmas, gam=2, batchsize=n)
        return last


class VariancePreserving:
    """What the two libraries with time steps 0..999 and sqrt(a) x0 + sqrt(1 - a) noise share."""

    def adapter(self, network: nn.Module) -> nn.Module:
        class Adapter(nn.Module):
            channels, out_dim, self_condition = 3, 3, False

            def __init__(self):
                super().__init__()
                self.network = network

            def forward(self, x, step, condition=None):
                return self.network(x, step.reshape(-1).expand(len(x)) / 500 - 1, None)

        return Adapter() if isinstance(network, networks.UNet) else network

    def denoise(self, x: Tensor, sigma: float) -> Tensor:
        level = ((1 - self.alphas) / self.alphas).sqrt()
        step = (level - sigma).abs().argmin().expand(len(x)).to(DEVICE)
        return self.clean(x * self.alphas[step[0]].sqrt(), step)


class DenoisingDiffusionPytorch(VariancePreserving):
    """Its `GaussianDiffusion` and `Trainer`, fed from memory and not from PNG files."""

    needs = "denoising_diffusion_pytorch"

    def __init__(self, network: nn.Module, pictures: Tensor, batch: int):
        import denoising_diffusion_pytorch as library
        from torchvision.utils import save_image

        self.diffusion = library.GaussianDiffusion(
            self.adapter(network), image_size=SIZE, sampling_timesteps=CALLS, auto_normalize=False
        ).to(DEVICE)
        self.alphas = self.diffusion.alphas_cumprod
        with tempfile.TemporaryDirectory() as folder:
            for i in range(100):  # it insists on a folder
                save_image(pictures[i % len(pictures)], f"{folder}/{i}.png")
            self.trainer = library.Trainer(
                self.diffusion,
                folder,
                train_batch_size=batch,
                train_lr=RATE,
                train_num_steps=0,
                save_and_sample_every=10**9,
                calculate_fid=False,
                results_folder=f"{folder}/results",
            )
        self.trainer.dl = endless(DataLoader(pictures.cpu(), batch, shuffle=True, drop_last=True))

    @staticmethod
    def default() -> nn.Module:
        import denoising_diffusion_pytorch as library

        return library.Unet(dim=20, dim_mults=(1, 2, 4))

    def train(self, steps: int) -> None:
        self.trainer.train_num_steps += steps
        self.trainer.train()

    def clean(self, x: Tensor, step: Tensor) -> Tensor:
        return self.diffusion.model_predictions(x, step).pred_x_start

    def sample(self, n: int) -> Tensor:
        return self.diffusion.sample(n)


class Diffusers(VariancePreserving):
    """The loop of its `train_unconditional.py` example, and its DDIM scheduler."""

    needs = "diffusers"

    def __init__(self, network: nn.Module, pictures: Tensor, batch: int):
        from diffusers import DDIMScheduler, DDPMScheduler
        from diffusers.training_utils import EMAModel

        self.model = self.adapter(network).to(DEVICE)
        self.scheduler, self.sampler = DDPMScheduler(1000), DDIMScheduler(1000)
        self.alphas = self.scheduler.alphas_cumprod.to(DEVICE)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=RATE)
        self.average = EMAModel(self.model.parameters(), use_ema_warmup=True)
        self.loader = endless(DataLoader(pictures.cpu(), batch, shuffle=True, drop_last=True))

    @staticmethod
    def default() -> nn.Module:
        from diffusers import UNet2DModel

        return UNet2DModel(
            SIZE,
            block_out_channels=(32, 64),
            down_block_types=("DownBlock2D", "AttnDownBlock2D"),
            up_block_types=("AttnUpBlock2D", "UpBlock2D"),
        )

    def predict(self, x: Tensor, step: Tensor) -> Tensor:
        output = self.model(x, step)
        return getattr(output, "sample", output)  # its own networks wrap their output

    def train(self, steps: int) -> None:
        for x0 in itertools.islice(self.loader, steps):
            x0 = x0.to(DEVICE)
            noise = torch.randn_like(x0)
            step = torch.randint(1000, (len(x0),), device=DEVICE)
            noisy = self.scheduler.add_noise(x0, noise, step)
            loss = nn.functional.mse_loss(self.predict(noisy, step), noise)
            loss.backward()
            nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            self.optimizer.step()
            self.optimizer.zero_grad()
            self.average.step(self.model.parameters())
            loss.item()

    def clean(self, x: Tensor, step: Tensor) -> Tensor:
        a = self.alphas[step[0]]
        return (x - (1 - a).sqrt() * self.predict(x, step)) / a.sqrt()

    @torch.no_grad()
    def sample(self, n: int) -> Tensor:
        x = torch.randn(n, 3, SIZE, SIZE, device=DEVICE)
        self.sampler.set_timesteps(CALLS)
        for step in self.sampler.timesteps:
            x = self.sampler.step(self.predict(x, step.to(DEVICE)), step, x).prev_sample
        return x


LIBRARIES = (Smalldiffusion, DenoisingDiffusionPytorch, Diffusers)


def endless(loader: DataLoader):
    while True:
        yield from loader


def seconds(function: Callable[[], object]) -> float:
    """Time of the processor; on a GPU of the clock, after everything asked for is done."""
    clock = time.process_time if DEVICE == "cpu" else time.perf_counter
    start = clock()
    with contextlib.redirect_stderr(io.StringIO()):  # their progress bars
        function()
    if DEVICE == "cuda":
        torch.cuda.synchronize()
    return clock() - start


@torch.no_grad()
def validation_loss(denoise: Callable[[Tensor, float], Tensor], pictures: Tensor) -> float:
    """EDM's weighted error, the mean over `SIGMAS`."""
    noise = torch.randn(pictures.shape, generator=torch.Generator().manual_seed(1)).to(pictures)
    errors = [
        (denoise(pictures + s * noise, s) - pictures).square().mean().item()
        * (s**2 + SIGMA_DATA**2)
        / (s * SIGMA_DATA) ** 2
        for s in SIGMAS
    ]
    return sum(errors) / len(errors)


@functools.cache
def installed() -> tuple[type, ...]:
    """The libraries that can be imported here."""
    without_compiled_operators()
    found = []
    for library in LIBRARIES:
        if not importlib.util.find_spec(library.needs):
            print(f"{library.needs} is not installed: skipped")
            continue
        try:
            importlib.import_module(library.needs)
            found.append(library)
        except (ImportError, RuntimeError) as error:
            print(f"{library.needs} can't be imported: skipped ({error})")
    return tuple(found)


def without_compiled_operators() -> None:
    """Lets torchvision be imported beside a torch that its wheel was not built for.

    Two of the libraries import torchvision for its transforms. Its wheels on PyPI are built against
    CUDA's torch; beside a CPU build their operators can't be loaded, and the import ends in an
    error where it describes them. Declared here they are there to be described; nothing calls them.
    """
    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None:
        return
    described = Path(spec.origin).with_name("_meta_registrations.py").read_text(encoding="utf-8")
    for name in re.findall(r'register_fake\("(torchvision::\w+)"\)', described):
        with contextlib.suppress(RuntimeError):  # it is there
            torch.library.define(name, "(Tensor x) -> Tensor")


def same_network(pictures: Tensor, held_out: Tensor, batch: int, steps: int) -> dict[str, float]:
    """Equal network, batch, precision and number of calls: seconds a step and a sample."""
    network = networks.UNet(size=SIZE)
    print(f"\nthe same network ({networks.parameters(network):,} parameters), batch {batch}")
    print(f"{'':28}{'s / step':>10}{f'loss at {ROUNDS * steps}':>14}{'s / sample':>12}")
    runs = [library(copy.deepcopy(network), pictures, batch) for library in (Ours, *installed())]
    passes = forward_backward(runs[0].training.denoiser.network, batch, steps)
    pace, draw = defaultdict(list), defaultdict(list)
    for _ in range(ROUNDS):  # in turn, so that all meet the same disturbances
        for run in runs:
            pace[type(run).needs].append(seconds(lambda run=run: run.train(steps)) / steps)
            draw[type(run).needs].append(seconds(lambda run=run: run.sample(batch)) / batch)
        pace["limit"].append(seconds(passes) / steps)
    for run in runs:
        name = type(run).needs
        loss = validation_loss(run.denoise, held_out)
        label = "ours" if name == "torch" else name
        print(f"{label:28}{median(pace[name]):10.3f}{loss:14.3f}{median(draw[name]):12.4f}")
    print(f"{'forward and backward alone':28}{median(pace['limit']):10.3f}")
    ours = pace.pop("torch"), draw.pop("torch")
    ratios = {f"train.{name}": ratio(pace[name], ours[0]) for name in pace}
    return ratios | {f"sample.{name}": ratio(draw[name], ours[1]) for name in draw}


def ratio(theirs: list[float], ours: list[float]) -> float:
    """The median over rounds of one time as a multiple of ours in the same round."""
    return median(a / b for a, b in zip(theirs, ours, strict=True))


def forward_backward(network: nn.Module, batch: int, steps: int) -> Callable[[], None]:
    """The network's own forward and backward pass, `steps` times: what no loop can do without."""
    network = copy.deepcopy(network)
    x = torch.randn(batch, 3, SIZE, SIZE, device=DEVICE).to(memory_format=torch.channels_last)
    noise = torch.zeros(batch, device=DEVICE)

    def passes() -> None:
        for _ in range(steps):
            network(x, noise, None).square().mean().backward()

    return passes


def own_networks(pictures: Tensor, held_out: Tensor, batch: int, limit: float) -> dict[str, float]:
    """Each library's default network at equal parameters: time to what it reaches in `limit` s."""
    print(f"\nown networks of equal size, {limit:.0f} s each")
    ours, own = curve(Ours, pictures, held_out, batch, limit)
    print(f"{'ours':28}{own:>10,} parameters, loss {ours[-1][1]:.3f} after {ours[-1][0]:.0f} s")
    ratios = {}
    for library in installed():
        (*_, (spent, loss)), size = curve(library, pictures, held_out, batch, limit)
        assert abs(size / own - 1) < 0.1, (library.needs, size, own)
        reached = next((t for t, value in ours if value <= loss), math.inf)
        print(
            f"{library.needs:28}{size:>10,} parameters, loss {loss:.3f} after {spent:.0f} s; "
            f"ours after {reached:.0f} s"
        )
        ratios[f"time_to_loss.{library.needs}"] = spent / reached
    return ratios


def curve(
    library: type, pictures: Tensor, held_out: Tensor, batch: int, limit: float
) -> tuple[list[tuple[float, float]], int]:
    """(seconds of training, validation loss) along a run, and the number of parameters."""
    network = library.default()
    run, spent, points = library(network, pictures, batch), 0.0, []
    while spent < limit:
        spent += seconds(lambda: run.train(5))
        points.append((spent, validation_loss(run.denoise, held_out)))
    return points, networks.parameters(network)


def local_windows(batch: int) -> dict[str, float]:
    """One convolutional pass beside cell by cell: what local windows cost without it."""
    network = patch.WindowNetwork().to(DEVICE, memory_format=torch.channels_last)
    x = torch.randn(batch, 3, SIZE, SIZE, device=DEVICE)
    conditions = torch.rand(batch, 3, 2, device=DEVICE), torch.ones(batch, 3, device=DEVICE).bool()
    arguments = x, torch.zeros(batch, device=DEVICE), conditions
    with torch.no_grad():
        network(*arguments)
        one = min(seconds(lambda: network(*arguments)) for _ in range(3))
    cells = seconds(lambda: patch.cell_by_cell(network, *arguments))
    print(f"\nlocal windows, batch {batch}: one pass {one:.3f} s, cell by cell {cells:.3f} s")
    return {"local_windows": cells / one}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--steps", type=int, default=5, help="a round")
    parser.add_argument("--seconds", type=float, default=60, help="a run of an own network")
    parser.add_argument("--batch", type=int, default=64)
    options = parser.parse_args()
    generator = torch.Generator().manual_seed(0)
    pictures = render(sample_scenes(2048, 1, 3, generator), SIZE).to(DEVICE)
    held_out = render(sample_scenes(64, 1, 3, generator), SIZE).to(DEVICE)
    ratios = same_network(pictures, held_out, options.batch, options.steps)
    ratios |= own_networks(pictures, held_out, options.batch, options.seconds)
    ratios |= local_windows(options.batch)
    for name, value in ratios.items():
        print(f"ratio: {name} {value:.2f}")


if __name__ == "__main__":
    main()
