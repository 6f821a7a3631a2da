"""A generated city: its ground plan, its places and streets, and the records of them."""
