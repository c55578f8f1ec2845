"""Schemes of training: the kit's own, the study's, and the verifier's."""
