"""Simulated A/B tests: experiments, environments, statistics and reports.

The public names are listed in `__init__.pyi`. Each is imported when it is first used, so `import simulator` is quick.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
