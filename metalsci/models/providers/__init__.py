"""One module a provider of language models."""
