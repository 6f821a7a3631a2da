"""Files that people write: strict YAML, checked against a schema, every mistake with its place."""
