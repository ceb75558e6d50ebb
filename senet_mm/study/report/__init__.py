"""One page on one or several runs, which opens without a network."""

from .page import report_runs

__all__ = ['report_runs']
