"""Decide: pure functions from (journey, person, event, documents) to what should now be true.

Nothing here knows AWS, a clock, randomness, the environment or a template.
"""
