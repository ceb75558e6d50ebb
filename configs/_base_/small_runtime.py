# For networks so small that a second CPU thread costs more than it gives.
_base_ = 'default_runtime.py'

env_cfg = dict(num_threads=1)
