"""The field numbers and layer types of BVLC's ``caffe.proto`` that weights need."""

import numpy as np

# NetParameter. A net holds `layer` (V2, of today) or `layers` (V1, of 2014).
NET_NAME, NET_LAYERS, NET_LAYER = 1, 2, 100

# LayerParameter and V1LayerParameter: the fields of name, type and blobs.
LAYER_FIELDS = {NET_LAYER: (1, 2, 7), NET_LAYERS: (4, 5, 6)}
V0_LAYER = 1

# BlobProto. The legacy shape is num, channels, height and width.
LEGACY_SHAPE = (1, 2, 3, 4)
DATA, SHAPE, DOUBLE_DATA = 5, 7, 8
DTYPES: dict[int, np.dtype] = {DATA: np.dtype('<f4'), DOUBLE_DATA: np.dtype('<f8')}

# BlobShape.
DIM = 1

# What a blob of Caffe and a protocol buffer can hold.
MAX_AXES = 32
MAX_BYTES = (1 << 31) - 1

# The types of V1 are numbers, from 0 on; these are their names in V2.
# fmt: off
V1_TYPES = (
    '', 'Accuracy', 'BNLL', 'Concat', 'Convolution', 'Data', 'Dropout', 'EuclideanLoss', 'Flatten',
    'HDF5Data', 'HDF5Output', 'Im2col', 'ImageData', 'InfogainLoss', 'InnerProduct', 'LRN',
    'MultinomialLogisticLoss', 'Pooling', 'ReLU', 'Sigmoid', 'Softmax', 'SoftmaxWithLoss', 'Split',
    'TanH', 'WindowData', 'Eltwise', 'Power', 'SigmoidCrossEntropyLoss', 'HingeLoss', 'MemoryData',
    'ArgMax', 'Threshold', 'DummyData', 'Slice', 'MVN', 'AbsVal', 'Silence', 'ContrastiveLoss',
    'Exp', 'Deconvolution',
)
# fmt: on
