from .caffe_names import CAFFE_BACKBONES, caffe_names
from .caffemodel import CaffeLayer, CaffeModel, read_caffemodel, write_caffemodel

__all__ = [
    'CAFFE_BACKBONES',
    'CaffeLayer',
    'CaffeModel',
    'caffe_names',
    'read_caffemodel',
    'write_caffemodel',
]
