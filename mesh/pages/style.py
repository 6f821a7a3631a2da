"""The style sheet of every page: light or dark as the reader has it, narrow or wide."""

__all__ = ["STYLE"]

STYLE = """
:root { color-scheme: light dark; --paper: #fff; --ink: #1a1d21; --soft: #5c6570; --rule: #d5dae0;
  --bar: #2f6fb0; --in: #fff; --held: #1b7a3d; --failed: #b3261e; --red: #c0392b; --yellow: #9a6a00;
  --box: #eef2f6; }
@media (prefers-color-scheme: dark) { :root { --paper: #14171a; --ink: #e6e9ec; --soft: #9aa4af;
  --rule: #363d45; --bar: #5d9fe0; --in: #0b1622; --held: #62c584; --failed: #ff8a80;
  --red: #ff7b6b; --yellow: #e8b93f; --box: #242a31; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 54rem; margin: 0 auto; padding: 1rem; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; margin: 0.5rem 0; }
h2 { font-size: 1.2rem; margin: 2rem 0 0.5rem; border-bottom: 1px solid var(--rule); }
p { margin: 0.4rem 0; }
figure { margin: 0.5rem 0; overflow-x: auto; }
figure svg { display: block; width: 100%; min-width: 34rem; height: auto; }
figcaption, .note { color: var(--soft); font-size: 0.9rem; }
.verdict { font-size: 1.15rem; font-weight: 600; }
.held { color: var(--held); }
.failed { color: var(--failed); font-weight: 600; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 0.9rem; overflow-wrap: normal; }
th, td { text-align: left; vertical-align: top; padding: 0.25rem 0.6rem 0.25rem 0;
  border-bottom: 1px solid var(--rule); }
th { color: var(--soft); font-weight: 500; }
dl { margin: 0.6rem 0; font-size: 0.9rem; }
dl div { display: flex; flex-wrap: wrap; gap: 0 1rem; border-bottom: 1px solid var(--rule); }
dt { flex: 0 0 14rem; color: var(--soft); }
dd { flex: 1 1 14rem; margin: 0; }
summary { cursor: pointer; margin: 0.5rem 0; }
.spread { width: 160px; height: 14px; }
svg text { fill: var(--ink); font-size: 12px; }
svg .middle { text-anchor: middle; }
svg .end { text-anchor: end; }
svg .in { fill: var(--in); }
svg .never { fill: var(--failed); }
.bar { fill: var(--bar); }
.bar.faint { opacity: 0.4; }
.rule { stroke: var(--soft); stroke-width: 1; }
"""
