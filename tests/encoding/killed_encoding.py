"""An encoding that a test kills. argv: folder of pictures, output, and after how many batches it waits, if it does."""

from __future__ import annotations

import sys
from pathlib import Path

from children import wait_to_be_killed
from encoding.encoders import picture_encoder
from triptych.encoding import EncodeSettings, encode, folder_pictures

if __name__ == "__main__":
    pictures, output, *last = sys.argv[1:]
    sizes = list[int]()

    def on_batch(size: int) -> None:
        if last == [str(len(sizes))]:
            wait_to_be_killed()
        sizes.append(size)

    encoder = picture_encoder(pause=0.02, on_batch=on_batch)
    encode(folder_pictures(Path(pictures)), encoder, Path(output), EncodeSettings(batch_size=3))
