from .insert import insert_se

__all__ = ['insert_se']
