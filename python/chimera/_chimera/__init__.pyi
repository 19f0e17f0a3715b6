"""
Native engines of Chimera.
"""

from . import evolution as evolution, execution as execution, programs as programs

__all__ = ["evolution", "execution", "programs"]
