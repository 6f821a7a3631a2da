"""Things that break one part of the product; importing a module here breaks it in this process."""
