"""Pictures, texts and tables -> folders of features that `prepare` reads: resumable, and nothing encoded twice."""

from triptych.encoding.encode import encode
from triptych.encoding.encoder import Encoder
from triptych.encoding.folder import Encoded, Missing
from triptych.encoding.inputs import EncodingInputs, folder_pictures, table_pictures, table_texts, text_columns
from triptych.encoding.metadata import encode_columns
from triptych.encoding.registry import image_encoder, text_encoder
from triptych.encoding.settings import EncodeSettings

__all__ = [
    "EncodeSettings",
    "Encoded",
    "Encoder",
    "EncodingInputs",
    "Missing",
    "encode",
    "encode_columns",
    "folder_pictures",
    "image_encoder",
    "table_pictures",
    "table_texts",
    "text_columns",
    "text_encoder",
]
