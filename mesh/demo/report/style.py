"""What the demo's report adds to the style of every page: its map."""

__all__ = ["MAP_STYLE"]

MAP_STYLE = """
svg .count, svg .name { text-anchor: middle; }
.key { font-weight: 600; }
.key.red { color: var(--red); }
.key.yellow { color: var(--yellow); }
svg .name { font-size: 11px; paint-order: stroke; stroke: var(--paper); stroke-width: 3px; }
svg .count { font-size: 10px; font-weight: 600; }
.street { stroke: var(--rule); stroke-width: 4; }
.street.bridge { stroke-dasharray: 3 4; }
.box { fill: var(--box); stroke: var(--soft); stroke-width: 1.2; }
.box.saw { stroke: var(--bar); stroke-width: 2.5; }
.arc { fill: none; stroke: var(--soft); }
.arc.red { stroke: var(--red); }
.arc.yellow { stroke: var(--yellow); stroke-dasharray: 5 3; }
.tip { fill: var(--soft); }
.tip.red { fill: var(--red); }
.tip.yellow { fill: var(--yellow); }
"""
