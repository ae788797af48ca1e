"""What the book measured, as one file with a checksum, for whoever wants the data alone."""

import hashlib
import zipfile
from pathlib import Path

NAME = "book-data.zip"
WHEN = (1980, 1, 1, 0, 0, 0)  # of every file in it: the same data give the same checksum anywhere


def pack(results: Path, folder: Path) -> str:
    """Writes NAME and, beside it, NAME.sha256, which `sha256sum -c` reads.

    Args:
        results: The folder whose files are packed, in the order of their names.
        folder: Where the two files go.

    Returns:
        The checksum, hexadecimal.

    Raises:
        FileNotFoundError: There is nothing to pack.
    """
    files = sorted(path for path in results.rglob("*") if path.is_file() and path.name[0] != ".")
    if not files:
        raise FileNotFoundError(f"there are no files in {results}: `make results` writes them")
    target = folder / NAME
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for path in files:
            about = zipfile.ZipInfo(f"results/{path.relative_to(results).as_posix()}", WHEN)
            about.compress_type, about.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(about, path.read_bytes())
    checksum = hashlib.sha256(target.read_bytes()).hexdigest()
    (folder / f"{NAME}.sha256").write_text(f"{checksum}  {NAME}\n", encoding="utf-8")
    return checksum
