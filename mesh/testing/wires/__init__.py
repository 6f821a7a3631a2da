"""The same scenarios on real processes: namespaces, a switch between them, and real time."""
