"""Measuring: a network on a device to raw samples (``protocol``, ``session``), raw samples to figures (``summary``).

What a worker imports of it needs torch and the standard library, no more: ``protocol``, ``statistics``, ``dirt``.
"""
