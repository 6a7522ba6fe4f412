"""An encoding to be killed: argv = folder of pictures, output."""

from __future__ import annotations

import sys
from pathlib import Path

from encoding.encoders import encoder_of_pictures
from triptych.encoding import EncodeSettings, encode, folder_pictures

if __name__ == "__main__":
    inputs = folder_pictures(Path(sys.argv[1]))
    encode(inputs, encoder_of_pictures(pause=0.02), Path(sys.argv[2]), EncodeSettings(batch_size=3))
