"""Weights on disk: safetensors with a JSON header and a checksum, written atomically.

Nothing is ever unpickled, so a file from a stranger can do no more than be refused. A write that
fails or is interrupted leaves the last good file as it was.
"""

import hashlib
import json
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from lib.storage.files import write_atomically

FORMAT = "compositional-diffusion-book/1"


def save(path: str | Path, tensors: dict[str, Tensor], header: dict) -> None:
    """Writes named tensors and what is known about them.

    Args:
        path: The file, by custom `*.safetensors`.
        tensors: Any shapes and dtypes, on any device.
        header: JSON data: the network's name under `"network"`, configuration, commit, device,
            seed, steps, seconds.

    Raises:
        ValueError: The header is no JSON data.
        OSError: The file could not be written; the last good one is still there.
    """
    try:
        text = json.dumps(header, sort_keys=True)
    except (TypeError, ValueError) as error:
        raise ValueError(f"the header of {path} must be JSON data: {error}") from error
    # Clones: safetensors refuses tensors that share memory, such as tied weights.
    plain = {
        name: t.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, t in tensors.items()
    }
    metadata = {"format": FORMAT, "header": text, "checksum": _checksum(plain, text)}
    write_atomically(path, safetensors.torch.save(plain, metadata))


def load(path: str | Path, network: str | None = None) -> tuple[dict[str, Tensor], dict]:
    """Reads what `save` wrote.

    Args:
        path: The file.
        network: The network's name that the header must carry; None takes any.

    Returns:
        The tensors, on the CPU, and the header.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is cut short, damaged, of another kind, or of another network.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no checkpoint at {path}")
    raw = path.read_bytes()
    metadata = _metadata(path, raw)
    try:
        tensors = safetensors.torch.load(raw)
    except (SafetensorError, ValueError, KeyError) as error:
        raise ValueError(f"{path} is damaged or cut short: {error}") from error
    if metadata["checksum"] != _checksum(tensors, metadata["header"]):
        raise ValueError(f"{path} is damaged: its checksum does not match its content")
    header = json.loads(metadata["header"])
    if network is not None and header.get("network") != network:
        raise ValueError(
            f"{path} is a checkpoint of the network {header.get('network')!r}, not of {network!r}"
        )
    return tensors, header


def load_into(path: str | Path, network: nn.Module) -> dict:
    """Puts stored weights into a network, in float32, for use and not for training.

    Args:
        path: The file.
        network: Changed in place; with the `name` of the stored one.

    Returns:
        The header.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is damaged, or of another network.
    """
    weights, header = load(path, network.name)
    full = {n: w.float() if w.is_floating_point() else w for n, w in weights.items()}
    fill(network, full, path)
    network.requires_grad_(False).eval()
    return header


def loaded(network: nn.Module, path: str | Path) -> nn.Module:
    """A network with the weights in a file, for use; refuses what `load_into` refuses."""
    load_into(path, network)
    return network


def fill(module: nn.Module, tensors: dict[str, Tensor], path: str | Path) -> None:
    """Sets all parameters and buffers of a module, which must be exactly these.

    Args:
        module: Changed in place, and only if everything fits.
        tensors: By name, of any dtype.
        path: The file they are from, for the message.

    Raises:
        ValueError: One is missing, of another shape, or of no place in the module.
    """
    own = module.state_dict()
    faults = [f"{n} {tuple(t.shape)} has no place" for n, t in tensors.items() if n not in own]
    faults += [f"{n} {tuple(t.shape)} is missing" for n, t in own.items() if n not in tensors]
    faults += [
        f"{n} is {tuple(tensors[n].shape)}, not {tuple(t.shape)}"
        for n, t in own.items()
        if n in tensors and tensors[n].shape != t.shape
    ]
    if faults:
        more = f", and {len(faults) - 3} more" if len(faults) > 3 else ""
        raise ValueError(f"{path} does not fit the network: {'; '.join(faults[:3])}{more}")
    module.load_state_dict(tensors)


def _metadata(path: Path, raw: bytes) -> dict[str, str]:
    """The metadata of a safetensors file: a length in 8 bytes, that much JSON, then the data."""
    # A header's length may begin with the same bytes, but then comes its JSON.
    if raw[8:9] != b"{" and (raw[:2] == b"PK" or raw[:1] == b"\x80"):
        raise ValueError(f"{path} is a pickle, which is never loaded; save it as safetensors")
    size = int.from_bytes(raw[:8], "little")
    if len(raw) < 8 + size:
        raise ValueError(f"{path} is cut short, or no safetensors file ({len(raw)} bytes)")
    try:
        metadata = json.loads(raw[8 : 8 + size])["__metadata__"]
        if metadata["format"] != FORMAT:
            raise ValueError(f"its format is {metadata['format']!r}, not {FORMAT!r}")
        return {"header": metadata["header"], "checksum": metadata["checksum"]}
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is damaged, or no checkpoint of this book: {error}") from error


def _checksum(tensors: dict[str, Tensor], header: str) -> str:
    """SHA-256 of the header and of every tensor's name, dtype, shape and bytes, by name."""
    digest = hashlib.sha256(header.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()
