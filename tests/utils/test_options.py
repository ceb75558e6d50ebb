import pytest

from senet_mm.utils.options import suggest


@pytest.mark.parametrize(
    ('name', 'allowed', 'hint'),
    [
        ('tf23', {'tf32', 'num_threads'}, "; did you mean 'tf32'?"),
        ('enabled', {'enable', 'base_batch_size'}, "; did you mean 'enable'?"),
        ('data_root', {'data_preprocessor', 'default_hooks'}, ''),
        (
            'train_pipelin',
            {'train_pipeline', 'train_dataloader'},
            "; did you mean 'train_pipeline'?",
        ),
    ],
)
def test_near_names_alone_are_suggested(name, allowed, hint):
    assert suggest(name, allowed) == hint
