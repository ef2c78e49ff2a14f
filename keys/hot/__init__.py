"""The fast path: what programs ask often, answered from memory in front of Django (config/kernel/hot.py)."""
