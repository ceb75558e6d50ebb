"""Every command of a page or a docstring has arguments that its tool takes."""

import pytest

from .command_lines import all_commands, problems_of


def test_commands_are_understood_by_their_tools(tmp_path):
    """Those of blocks, of prose, and of the examples that ``--help`` shows."""
    places = all_commands()
    assert len(places) > 300
    problems = problems_of(list(places), tmp_path)
    wrong = [f'{places[c]}: {c[0]}: {p}' for c, p in zip(places, problems, strict=True) if p]
    assert wrong == []


CONVERT = 'python tools/model_converters/convert.py'
WRONG = {
    f'{CONVERT} timm theirs.pth ours.pth --modell seresnet50_8xb32_in1k': '--model',
    f'{CONVERT} timm theirs.pth ours.pth --model seresnet50_8xb32': 'does not exist',
    f'{CONVERT} caffe a.caffemodel b.pth --model seresnet50_8xb32_in1k --wrong': '--wrong',
    "pip install -e '.[demos]'": 'demos',
    'python tools/demo.py work_dirs/best_*.pth --nonsense': '--nonsense',
    'python tools/visualization/cam.py best.pth data --klass Katze --layer SE_4_2': '--klass',
    'python tools/ablate.py resnet8_1xb64_digits --seedz 3': '--seeds',
    'python tools/ablate.py resnet8_1xb64_digits --seeds 3 --work-dirr a': '--work-dirr',
    'bash tools/benchmarks/gpu.sh OUT --wrongoption': '--wrongoption',
    'tools/dist_train.sh seresnet8_1xb64_digits 2 --resum x --ampp': '--ampp',
    'tools/slurm_train.sh PARTITION JOB_NAME CONFIG --wrong': '--wrong',
    'torchrun -m senet_mm trian CONFIG': 'trian',
    'find . | python tools/predict.py best.pth - --formatt csv > a.csv': '--formatt',
    'python tools/train.py seresnet8_1xb64_digits --cfg-options train_cfgs.by_epoch=1': 'train_cfg',
    'python tools/trian.py CONFIG': 'does not exist',
    'pyhton tools/train.py CONFIG': 'pyhton',
    'make trian': 'trian',
    '--no-such-option 3': '--no-such-option',
}


def test_wrong_commands_are_found(tmp_path):
    problems = problems_of([(command, False) for command in WRONG], tmp_path)
    for (command, named), problem in zip(WRONG.items(), problems, strict=True):
        assert named in problem, command


@pytest.mark.parametrize('is_part', [True, False])
def test_prose_may_name_a_part_of_a_command(is_part, tmp_path):
    [right, wrong] = problems_of(
        [('deploy.py --preprocessing --images N', is_part), ('deploy.py --imagez', is_part)],
        tmp_path,
    )
    assert bool(right) == (not is_part)
    assert wrong
