from .tail import se_tail

__all__ = ['se_tail']
