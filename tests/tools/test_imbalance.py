"""The comparison of what favours rare classes, as short as it can be."""


def test_table(run_tool, tmp_path):
    run = run_tool(
        'tools/benchmarks/imbalance.py', '--seeds', 1, '--epochs', 1, '--work-dir', tmp_path
    )
    assert run.returncode == 0, run.stderr
    rows = [line.split('|') for line in run.stdout.splitlines() if line.startswith('| ')]
    assert [row[1].strip() for row in rows[2:]] == ['plain', 'balanced', 'effective', 'sampled']
    assert rows[0][8].strip() == 'macro recall %'
    logs = {
        row[1].strip(): (tmp_path / f'runs/{row[1].strip()}/seed-0/train.log') for row in rows[2:]
    }
    texts = {name: path.read_text() for name, path in logs.items()}
    advice = "the largest class has 19 times the images of the smallest: model.head.class_weight='b"
    assert [name for name, text in texts.items() if advice in text] == ['plain']
    assert '600 training images: 0: 114, 1: 114,' in texts['plain']
    assert 'class weights (balanced): 0: 0.5263,' in texts['balanced']
