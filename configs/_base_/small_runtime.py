# For networks so small that a second CPU thread gains little, and loses when other work runs.
_base_ = 'default_runtime.py'

env_cfg = dict(num_threads=1)
