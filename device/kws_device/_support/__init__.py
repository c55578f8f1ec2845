"""Helpers that all four packages share. Not public: programs import `kws_device` alone."""
