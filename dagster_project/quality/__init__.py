"""Expectations and invariants, the gate, approvals."""
