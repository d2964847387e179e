"""How the tests of core search: without a deadline, for a machine that is busy is no failure."""

from hypothesis import settings

settings.register_profile("core", deadline=None)
settings.load_profile("core")
