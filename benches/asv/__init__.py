"""Speed over time, run by ``asv``: one file per area, the same units as ``benches/micro``."""
