"""The page on runs: its numbers, what it says of damaged runs, and that it asks for nothing."""

import html
import importlib.util
import json
import math
import re
import statistics

import numpy as np
import pytest
from scipy import stats

from senet_mm.study.report import report_runs
from senet_mm.study.report.charts import make_charts
from senet_mm.study.report.groups import compare_keys, group_runs
from senet_mm.study.report.reading import find_runs, read_run
from senet_mm.utils.errors import InputError

from ...blocks import commands_run_by, words_of
from .conftest import NETWORKS, read_scalars, rename_classes

pytestmark = pytest.mark.slow
HOSTILE = '</script><img src=x onerror="alert(1)"> $\\frac$ [red] & <b>'


@pytest.fixture(scope='module')
def page(trained, tmp_path_factory):
    """The page on all runs, with matplotlib's pictures."""
    out = tmp_path_factory.mktemp('page') / 'report.html'
    report_runs([trained], out, charts='svg')
    return out.read_text()


def results(trained, config):
    files = (trained / config / f'seed-{seed}/result.json' for seed in (0, 1))
    return [json.loads(file.read_text()) for file in files]


def find_groups(trained):
    return group_runs(find_runs([trained / name for name in NETWORKS]))


def text_of(page):
    """The text between the tags of a page."""
    return html.unescape(re.sub(r'<[^>]*>', ' ', page))


def test_scores_are_those_of_the_results(trained, page):
    cells = re.findall(r'<td>(.*?)</td>', page)
    assert 'accuracy/top1 (%)' in cells
    for config in NETWORKS:
        last = [r['validations'][-1]['accuracy/top1'] for r in results(trained, config)]
        best = [max(v['accuracy/top1'] for v in r['validations'])
                for r in results(trained, config)]  # fmt: skip
        for values in (last, best):
            mean = statistics.mean(values)
            margin = stats.t.ppf(0.975, 1) * statistics.stdev(values) / math.sqrt(2)
            low, high = max(mean - margin, 0), min(mean + margin, 100)
            assert f'{mean:.2f} [{low:.2f}, {high:.2f}]' in cells


def test_seeds_of_a_config_are_a_group(trained):
    """What docs/report.md does with ``ablate.py``."""
    groups = find_groups(trained)
    assert [group.label for group in groups] == list(NETWORKS)
    assert [[run.seed for run in group.runs] for group in groups] == [[0, 1], [0, 1]]
    keys = {row.key: row.values for row in compare_keys(groups)}
    assert keys
    assert all(key.startswith('model.') for key in keys)
    assert keys['model.se.layer.ratio'][1] is None


def test_curves_are_means_over_the_seeds(trained):
    charts = {chart.title: chart for chart in make_charts(find_groups(trained))}
    lines = charts['Validation: accuracy/top1'].lines
    assert [line.name for line in lines] == [f'{name}, 2 seeds' for name in NETWORKS]
    for line, config in zip(lines, NETWORKS, strict=True):
        scores = [[v['accuracy/top1'] for v in r['validations']] for r in results(trained, config)]
        assert line.x == [1, 2]
        assert line.y == pytest.approx(np.mean(scores, axis=0).tolist())
    logged = [read_scalars(trained / NETWORKS[0] / f'seed-{seed}') for seed in (0, 1)]
    losses = [[line['loss'] for line in lines if 'loss' in line] for lines in logged]
    assert charts['Training loss'].lines[0].y == pytest.approx(np.mean(losses, axis=0).tolist())
    assert set(charts) >= {'Learning rate', 'Throughput in training', 'Time spent waiting for data'}


def test_the_page_asks_for_nothing(page):
    """Not even the names of XML are addresses in it."""
    assert '://' not in page
    assert {found[:5] for found in re.findall(r'src="([^"]*)"', page)} == {'data:'}
    assert all(
        found[0] == '#' or found == 'data:,' for found in re.findall(r'href="([^"]*)"', page)
    )
    assert page.count('<svg') >= 8


def test_the_page_says_how_to_repeat_a_run(trained, page):
    [record] = (trained / NETWORKS[0] / 'seed-1').glob('*/run.json')
    start = json.loads(record.read_text())
    text = text_of(page)
    folder = trained / NETWORKS[0] / 'seed-1'
    command = start['command'].replace(f'--work-dir {folder} ', '')
    assert f'{command} --work-dir work_dirs/repeated/{NETWORKS[0]}-' in text
    assert f'--work-dir {folder}' not in text
    assert 'checkout' not in text
    assert all(state['commit'] in text for state in start['git'].values() if state)


def test_plotly_is_in_the_page_once(trained, tmp_path):
    plotly = pytest.importorskip('plotly.offline')
    out = tmp_path / 'report.html'
    report_runs([trained], out, evaluates=False)
    page = out.read_text()
    script = plotly.get_plotlyjs()
    assert page.count(script) == 1
    rest = page.replace(script, '')
    assert '://' not in rest
    assert rest.count('Plotly.newPlot') >= 7
    assert out.stat().st_size < 8e6


def test_without_plotly(trained, tmp_path, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, 'find_spec', lambda name: None if name == 'plotly' else find(name)
    )
    out = tmp_path / 'report.html'
    report_runs([trained], out, evaluates=False)
    assert '<svg' in out.read_text()
    with pytest.raises(InputError, match='plotly is not installed; allowed: svg'):
        report_runs([trained], out, evaluates=False, charts='plotly')


@pytest.mark.parametrize('charts', ['svg', 'plotly'])
def test_names_are_escaped(one_run, tmp_path, charts):
    if charts == 'plotly':
        pytest.importorskip('plotly')
    rename_classes(one_run, [f'{i} {HOSTILE}' for i in range(10)])
    named = one_run.rename(tmp_path / '<img src=x> $x$ [bold]')
    for record in named.glob('*/run.json'):
        start = json.loads(record.read_text())
        start |= dict(command=f'python {HOSTILE}', config=f'{HOSTILE.replace("/", "")}.py')
        record.write_text(json.dumps(start))
    out = tmp_path / 'report.html'
    report_runs([named], out, charts=charts)
    page = re.sub(r'<script id="plotly">.*?</script>(?=\n</head>)', '', out.read_text(), flags=re.S)
    assert '<img src=x' not in page
    assert '</script><img' not in page
    assert html.escape(HOSTILE) in page
    scripts = page.count('<script')
    assert scripts == page.count('</script')


def test_an_interrupted_run(one_run, tmp_path):
    """Stopped within the second epoch: a half line, no result, no best checkpoint."""
    [file] = one_run.glob('*/vis_data/scalars.json')
    lines = file.read_text().splitlines()
    second = next(i for i, line in enumerate(lines) if json.loads(line).get('epoch') == 2)
    file.write_text('\n'.join([*lines[:second], lines[second][:20]]))
    for path in [one_run / 'result.json', *one_run.glob('best_*'), one_run / 'epoch_2.pth']:
        path.unlink()
    [record] = one_run.glob('*/run.json')
    record.write_text(json.dumps({**json.loads(record.read_text()), 'ended': None}))
    run = read_run(one_run)
    assert len(run.validations) == 1
    assert '1 damaged line of scalars.json left out' in run.remarks
    assert 'interrupted or still running: 1 of 2 epochs are trained' in run.remarks
    out = tmp_path / 'report.html'
    report_runs([one_run], out, charts='svg')
    text = text_of(out.read_text())
    assert 'interrupted or still running: 1 of 2 epochs are trained' in text
    assert 'How they changed is not known: one checkpoint is left' in text


def test_a_run_that_has_little(one_run, tmp_path):
    """No record, no checkpoint, no config; one line of a training."""
    for path in [*one_run.glob('*.pth'), *one_run.glob('*.py'), *one_run.glob('*/run.json'),
                 *one_run.glob('*/vis_data/config.py'), one_run / 'result.json']:  # fmt: skip
        path.unlink()
    out = tmp_path / 'report.html'
    report_runs([one_run], out, charts='svg')
    text = text_of(out.read_text())
    for line in ('no run.json', 'no config', 'no checkpoint is there'):
        assert line in text


@pytest.mark.parametrize(
    'text', ['import os\nos.mkdir("executed")', '{', 'train_cfg = 3\nmodel = []\nrandomness = 1']
)
def test_a_config_is_not_executed(one_run, tmp_path, text, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path in [*one_run.glob('*.py'), *one_run.glob('*/vis_data/config.py')]:
        path.write_text(text)
    report_runs([one_run], tmp_path / 'report.html', evaluates=False, charts='svg')
    assert not (tmp_path / 'executed').exists()


def test_folders_without_a_run(tmp_path):
    with pytest.raises(InputError, match='is no folder; allowed'):
        find_runs([tmp_path / 'none'])
    with pytest.raises(InputError, match='has no run'):
        find_runs([tmp_path])


def test_the_tool(run_tool, one_run):
    [command] = commands_run_by('docs/report.md', 'test_the_tool')
    words = words_of(command, {'work_dirs/se': one_run, '/data/imagenet': one_run})
    run = run_tool(*words, '--no-evaluate', '--charts', 'svg')
    assert (run.returncode, run.stdout) == (0, f'{one_run}/report.html\n')
    assert 'asked for by --no-evaluate' in (one_run / 'report.html').read_text()
    run = run_tool('tools/report.py', one_run, '--out', one_run)
    assert run.returncode == 1
    assert run.stderr == f'error: {one_run} is a folder; allowed: a file, or a new name\n'
