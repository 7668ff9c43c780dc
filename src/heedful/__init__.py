"""Attention that can be read, and trusted."""
