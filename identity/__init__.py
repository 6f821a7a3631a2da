"""Identity: who is speaking. Keys, capabilities and the root of trust; floor 0."""
