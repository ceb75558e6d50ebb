"""Studies: published results, ablations over seeds, comparisons, their statistics."""
