"""The verifier: a second network that confirms or refuses candidates over a longer stretch of sound."""
