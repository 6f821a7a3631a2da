"""The network: real connections to real peers, behind a seam of a few methods.

The node talks to `mesh.net.streams`, two small Protocols that know nothing of libp2p. Two
implementations stand behind them and pass one contract suite: `mesh.net.host` (libp2p over TCP,
noise and yamux) and `mesh.net.memory` (the same behaviour inside one process, with partitions to
switch on). What decides when to dial is pure and lives in `mesh.net.dial_plan`.

This folder is the only one that imports libp2p, and of it only `host`, `swarm`, `upgrade`, `muxer`,
`tcp` and `negotiation` do: importing them takes about two seconds of processor time, starts no
thread and opens no descriptor, so a process may import them and fork afterwards.
"""
