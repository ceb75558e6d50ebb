# The paper's ablations (section 6): 8 GPUs, lr 0.1, /10 whenever the validation loss stops falling,
# three times, about 300 epochs. Batch and decay are not given: those usual for ResNets.
_base_ = 'imagenet_bs256_plateau_400e.py'

optim_wrapper = dict(optimizer=dict(weight_decay=1e-4))
train_cfg = dict(max_epochs=300)
