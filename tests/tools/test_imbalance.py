"""The configs that the comparison of what favours rare classes writes for tools/ablate.py."""

import pytest

from senet_mm.apis import get_config
from senet_mm.engine import Runner

from ..blocks import is_shown, texts_run_by
from ..conftest import load_tool

LOGGED, TABLE = texts_run_by('docs/data.md', 'test_each_variant_trains_and_reports_every_class')
COUNTS, ADVICE = LOGGED.splitlines()
# Variant -> what its log says of the classes.
LINES = {
    'plain': ADVICE,
    'balanced': 'class weights (balanced): 0: 0.5263, 1: 0.5263,',
    'effective': 'class weights (effective): 0: 0.5',
    'sampled': COUNTS,
}


@pytest.mark.slow
def test_each_variant_trains_and_reports_every_class(tmp_path):
    files = load_tool('tools/benchmarks/imbalance.py').write_variants(tmp_path, epochs=1)
    assert [file.stem for file in files] == list(LINES)
    for file in files:
        cfg = get_config(str(file))
        cfg.work_dir, cfg.launcher = str(tmp_path / file.stem), 'none'
        Runner.from_cfg(cfg).train()
        (log,) = (tmp_path / file.stem).glob('*/*.log')
        text = log.read_text()
        assert LINES[file.stem] in text
        assert (ADVICE in text) == (file.stem == 'plain')
        assert 'macro/recall' in text
        assert is_shown(TABLE, text)
        assert 'validation after epoch 1, iteration 9: 540 images' in text
