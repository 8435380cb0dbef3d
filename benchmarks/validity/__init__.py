"""Proof that the error rates are true: simulations whose truth is known, right and broken."""
