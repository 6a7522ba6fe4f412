"""Pictures, texts and tables -> folders of features that `prepare` reads: resumable, and nothing encoded twice."""

from triptych.encoding.encode import encode
from triptych.encoding.encoder import Encoder
from triptych.encoding.folder import Encoded, Missing
from triptych.encoding.metadata import encode_columns
from triptych.encoding.registry import picture_encoder, text_encoder
from triptych.encoding.settings import EncodeSettings
from triptych.encoding.things import Things, folder_pictures, table_pictures, table_texts, text_columns

__all__ = [
    "EncodeSettings",
    "Encoded",
    "Encoder",
    "Missing",
    "Things",
    "encode",
    "encode_columns",
    "folder_pictures",
    "picture_encoder",
    "table_pictures",
    "table_texts",
    "text_columns",
    "text_encoder",
]
