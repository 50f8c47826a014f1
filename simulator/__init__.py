"""Simulated A/B tests: experiments, environments, statistics and reports.

The public names are listed in `__init__.pyi`. Each is imported when it is first used, so `import simulator` is quick.
Before that, the libraries are held to instructions that every processor has.
"""

import lazy_loader

from simulator.processor import pin

pin()

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
