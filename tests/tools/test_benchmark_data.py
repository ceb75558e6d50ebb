"""The benchmark of data loading runs to its end; its times are not tested."""


def test_prints_every_table(run_tool):
    run = run_tool('tools/benchmarks/data.py', '--images', 4, '--rounds', 1, '--batch', 4)
    assert run.returncode == 0, run.stderr
    assert '4 images, 500 x 375, ' in run.stdout
    for words in (
        'this project, all on the CPU', 'shards of 288, rest on the device',
        'timm, crop and mirror',
        'torchvision v2, this augmentation', 'RandomAugment', 'collate', 'lists (mmengine default)',
        'A whole epoch without a model, 2 workers', 'atched module',
    ):  # fmt: skip
        assert words in run.stdout
