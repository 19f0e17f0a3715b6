"""The report of a run: one HTML file that asks nothing of the network."""

from chimera.improve.report.page import render

__all__ = ["render"]
