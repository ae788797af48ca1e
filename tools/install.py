"""Makes `.venv` with what the book needs: `python3 tools/install.py` (part of every make target).

Needs nothing but Python 3.11 or later. An installed torch that fits is kept. On Linux without an
NVIDIA GPU, torch comes from PyTorch's own index of CPU builds if that answers within seconds
(about 0.2 GB, instead of about 3 GB with CUDA), else from whatever index pip is configured for.
"""

import platform
import shutil
import subprocess
import sys
import urllib.request
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TORCH = "torch>=2.11,<2.14"
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
FITS = "import torch; assert (2, 11) <= tuple(map(int, torch.__version__.split('.')[:2])) < (2, 14)"


def wants_cpu_build() -> bool:
    """Whether pip would fetch a CUDA build of torch that this machine can't use."""
    return platform.system() == "Linux" and shutil.which("nvidia-smi") is None


def answers(url: str, seconds: float = 4) -> bool:
    """Whether something at the address answers in time."""
    try:
        with urllib.request.urlopen(url, timeout=seconds):
            return True
    except (OSError, ValueError):
        return False


def torch_arguments() -> list[str]:
    """What to tell pip so that the right torch comes."""
    if wants_cpu_build() and answers(f"{CPU_INDEX}/torch/"):
        return [TORCH, "--index-url", CPU_INDEX]
    return [TORCH]


def main() -> int:
    """Makes the environment, or brings it up to the lock."""
    if sys.version_info < (3, 11):  # noqa: UP036 - this runs before anything is installed
        print(f"The book needs Python 3.11 or later; this is {platform.python_version()}.")
        return 1
    folder = ROOT / ".venv"
    scripts = folder / ("Scripts" if platform.system() == "Windows" else "bin")
    python = scripts / "python"
    if (
        not python.exists()
        or subprocess.run([str(python), "-m", "pip", "-V"], capture_output=True).returncode
    ):
        print("Making .venv", flush=True)
        try:
            venv.create(folder, clear=True, with_pip=True)
        except subprocess.CalledProcessError:
            print("Python could not make .venv; on Debian and Ubuntu install python3-venv first.")
            return 1
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    if subprocess.run([str(python), "-c", FITS], capture_output=True).returncode:
        print(
            "Installing torch: 0.2 GB for the CPU, 3 GB with CUDA; minutes, in silence", flush=True
        )
        subprocess.run([*pip, *torch_arguments()], check=True)
    print("Installing the other requirements: 0.2 GB, a minute or two", flush=True)
    subprocess.run([*pip, "-r", str(ROOT / "requirements.txt")], check=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
