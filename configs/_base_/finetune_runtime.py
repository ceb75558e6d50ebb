# One checkpoint per validation, the best and the last are kept; hooks by one word.
_base_ = 'default_runtime.py'

ema = False  # True: averaged weights are validated, tested and kept
early_stopping = None  # 5: ends after 5 validations without a smaller loss
default_hooks = dict(checkpoint=dict(interval='auto', max_keep_ckpts=1), logger=dict(interval=20))
if ema:
    default_hooks['ema'] = dict(type='EMAHook', momentum='auto', priority='ABOVE_NORMAL')
if early_stopping is not None and early_stopping is not False:
    default_hooks['early_stopping'] = dict(
        type='EarlyStoppingHook',
        monitor='loss/cross_entropy',
        rule='less',
        min_delta=0.0,
        patience=early_stopping,
    )
