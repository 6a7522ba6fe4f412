"""A running shop: the store of its events, the engine that answers, and what stands around them."""
