"""One page on one or several runs, which opens without a network."""

from .page import write_report

__all__ = ['write_report']
