from .caffe_names import CAFFE_BACKBONES, caffe_names

__all__ = ['CAFFE_BACKBONES', 'caffe_names']
