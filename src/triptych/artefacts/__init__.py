"""Folders and files that are written completely or not at all, and checked before anything in them is used."""

from triptych.artefacts.files import make_folder, write_file, writing_errors, writing_file
from triptych.artefacts.folders import OpenFolder, check_output, open_folder, read_folder, writing_folder
from triptych.artefacts.hashing import sha256_of
from triptych.artefacts.json_files import (
    checked_content,
    damaged,
    json_bytes,
    json_bytes_with_checksum,
    parse_json,
    read_json,
    write_json,
)
from triptych.artefacts.manifest import MANIFEST, VERSION, FileEntry, Manifest
from triptych.artefacts.replacing import output_lock
from triptych.artefacts.tensors import (
    map_tensors,
    tensor_metadata,
    write_tensor_stream,
    write_tensors,
)

__all__ = [
    "MANIFEST",
    "VERSION",
    "FileEntry",
    "Manifest",
    "OpenFolder",
    "check_output",
    "checked_content",
    "damaged",
    "json_bytes",
    "json_bytes_with_checksum",
    "make_folder",
    "map_tensors",
    "open_folder",
    "output_lock",
    "parse_json",
    "read_folder",
    "read_json",
    "sha256_of",
    "tensor_metadata",
    "write_file",
    "write_json",
    "write_tensor_stream",
    "write_tensors",
    "writing_errors",
    "writing_file",
    "writing_folder",
]
