from .caffemodel import CaffeLayer, CaffeModel, read_caffemodel, write_caffemodel

__all__ = ['CaffeLayer', 'CaffeModel', 'read_caffemodel', 'write_caffemodel']
