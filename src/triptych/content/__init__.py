"""Content of items: decoding of picture files, and features from columns of the item table."""
