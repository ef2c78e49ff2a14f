"""Access decisions for other programs, by the OpenID AuthZEN Authorization API 1.0.

`wire` reads requests into questions and writes answers; `facts` holds what is known, `loading` gets it from the
database; `maker` is the interface of the class that decides and `roles` the one we bring; `callers` says who may ask
about whom; `evaluating` and `searching` put these together. None of them knows a view.
"""
