from .page import AS_TRAINED, Page
from .server import ANYWHERE, find_port, served

__all__ = ['ANYWHERE', 'AS_TRAINED', 'Page', 'find_port', 'served']
