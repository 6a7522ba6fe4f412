"""An encoding that a test kills. argv: folder of pictures, output, seconds per batch."""

from __future__ import annotations

import sys
from pathlib import Path

from encoding.encoders import picture_encoder
from triptych.encoding import EncodeSettings, encode, folder_pictures

if __name__ == "__main__":
    inputs = folder_pictures(Path(sys.argv[1]))
    encode(inputs, picture_encoder(pause=float(sys.argv[3])), Path(sys.argv[2]), EncodeSettings(batch_size=3))
