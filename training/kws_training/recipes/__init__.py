"""Recipes: a TOML file says everything that makes a run, and nothing has a hidden default.

A file may name another one that it `extends` and then says only what differs.
"""
