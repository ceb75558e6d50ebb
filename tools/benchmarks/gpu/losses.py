"""Equal networks have equal losses before the first step: all rows of ours begin with one seed."""

# Row -> the row that it computes otherwise.
SAME = {
    'fused': 'reference', 'lean': 'reference', 'algebra compiled': 'reference',
    'plain fused': 'plain reference', 'plain compiled': 'plain reference',
}  # fmt: skip
# Relative: one rounding to bfloat16. Tiny networks on a CPU differ by 2e-4.
ALLOWED = 2**-8


def compare_losses(stages: dict[str, dict], stage: str) -> None:
    """Note in the parts of a stage by how much their first losses differ; too much is an error.

    Args:
        stages: The stages so far, by name.
        stage: The one whose parts are judged.
    """
    everything = {n: part for s in stages.values() for n, part in s['parts'].items()}
    for name, part in stages[stage]['parts'].items():
        mine = part.get('first_loss')
        theirs = everything.get(SAME.get(name, ''), {}).get('first_loss')
        if mine is None or theirs is None:
            continue
        part['loss_differs'] = apart = abs(mine / theirs - 1)
        if not apart <= ALLOWED:  # NaN is not, either
            error = f'the first loss is {mine:.4f}, of {SAME[name]} {theirs:.4f}'
            part.update(status='failed', error=error)
