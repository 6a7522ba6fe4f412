"""An encoding to be killed: argv = folder of pictures, output, after how many batches it waits for that, if it does."""

from __future__ import annotations

import sys
from pathlib import Path

from children import wait_to_be_killed
from encoding.encoders import encoder_of_pictures
from triptych.encoding import EncodeSettings, encode, folder_pictures

if __name__ == "__main__":
    pictures, output, *last = sys.argv[1:]
    seen = list[int]()

    def see(size: int) -> None:
        if last == [str(len(seen))]:
            wait_to_be_killed()
        seen.append(size)

    encoder = encoder_of_pictures(pause=0.02, seen=see)
    encode(folder_pictures(Path(pictures)), encoder, Path(output), EncodeSettings(batch_size=3))
