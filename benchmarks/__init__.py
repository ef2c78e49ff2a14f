"""Speed, measured: `make bench`, or `make bench B=verification` for a part.

Every figure stands beside a baseline of the same run, since rates swing with whatever else the machine does. What
binds is CPU time per request, of the server's processes and its stores together, as the median of interleaved rounds.
"""
