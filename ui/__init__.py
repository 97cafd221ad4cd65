"""The page under ``/ui``: a crystal goes in, the gap comes out with what it rests on.

Only the service's core predicts.
"""
