"""Images, texts, tables -> matrices."""
