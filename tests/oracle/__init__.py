"""The independent oracle: who should have been written to, worked out again from the files and the calendar alone.

It shares no code and no rule files with the service. The criteria are in `criteria.py`, in plain Python.
"""
