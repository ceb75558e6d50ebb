from .caffe_names import caffe_names
from .caffemodel import CaffeLayer, CaffeModel, read_caffemodel, write_caffemodel
from .convert import convert, convert_back
from .hub import read_hub_folder
from .published import read_published
from .reading import Conversion

__all__ = [
    'CaffeLayer',
    'CaffeModel',
    'Conversion',
    'caffe_names',
    'convert',
    'convert_back',
    'read_caffemodel',
    'read_hub_folder',
    'read_published',
    'write_caffemodel',
]
