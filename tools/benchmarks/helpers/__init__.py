"""Modules of several benchmarks."""
