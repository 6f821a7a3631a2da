"""The simulator: many minds in one process under virtual time, and what is around them."""
