from .page import Page, serve

__all__ = ['Page', 'serve']
