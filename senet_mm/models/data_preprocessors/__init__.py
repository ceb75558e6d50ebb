from .augment import augment_batch
from .batch_preprocessor import BatchPreprocessor

__all__ = ['BatchPreprocessor', 'augment_batch']
