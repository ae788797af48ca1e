"""What is kept on disk: whole or not at all, checked when it is read, with where it comes from."""

from lib.storage.files import (
    RESULTS,
    ROOT,
    RUNS,
    begin,
    copy_files,
    provenance,
    read_json,
    write_atomically,
    write_json,
    write_numbers,
    write_picture,
)
from lib.storage.finite import check_finite

__all__ = [
    "RESULTS",
    "ROOT",
    "RUNS",
    "begin",
    "check_finite",
    "copy_files",
    "provenance",
    "read_json",
    "write_atomically",
    "write_json",
    "write_numbers",
    "write_picture",
]
