"""Encode pictures, texts and table columns into folders of features for `prepare`. Equal content is encoded once."""

from triptych.encoding.encode import check_previous, encode
from triptych.encoding.encoder import Encoder
from triptych.encoding.folder import EncodingResult, MissingItem
from triptych.encoding.inputs import EncodingInputs, folder_pictures, table_pictures, table_texts, text_columns
from triptych.encoding.metadata import encode_columns
from triptych.encoding.registry import image_encoder, text_encoder
from triptych.encoding.settings import EncodeSettings

__all__ = [
    "EncodeSettings",
    "Encoder",
    "EncodingInputs",
    "EncodingResult",
    "MissingItem",
    "check_previous",
    "encode",
    "encode_columns",
    "folder_pictures",
    "image_encoder",
    "table_pictures",
    "table_texts",
    "text_columns",
    "text_encoder",
]
