from .page import Page, served

__all__ = ['Page', 'served']
