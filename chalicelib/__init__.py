"""Aftercare: follow-up for service cases, from their resolution until loyalty is confirmed."""
