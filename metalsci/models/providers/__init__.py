"""Providers of language models, one module each."""
