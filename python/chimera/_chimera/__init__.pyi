"""
Native engines of Chimera.
"""

from . import evolution as evolution, execution as execution, population as population, programs as programs

__all__ = ["evolution", "execution", "population", "programs"]
