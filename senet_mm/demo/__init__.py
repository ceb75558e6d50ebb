from .page import Page
from .server import ANYWHERE, find_port, served

__all__ = ['ANYWHERE', 'Page', 'find_port', 'served']
