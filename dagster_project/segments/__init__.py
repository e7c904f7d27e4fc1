"""Segments: what customers are called beside tier, quadrant and stage."""
